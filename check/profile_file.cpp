// SPDX-License-Identifier: MIT
#include "check/profile_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/input.h"
#include "base/text.h"
#include "check/machine.h"
#include "spec/smmu/profile.h"
#include "trace/json_value.h"

namespace iommucheck::oracle {
namespace {

using spec::ProfileItem;
using trace::JsonMember;
using trace::JsonValue;
using Kind = JsonValue::Kind;

constexpr std::array<std::string_view, 7> profile_members = {
    "profile", "name", "about", "registers", "deviations", "choices", "devices"};
constexpr u64 profile_version = 1;
constexpr std::size_t profile_bytes_max = std::size_t{1} << 20;

class ProfileReader {
 public:
  ProfileReader(std::string_view text, std::string_view path) : text_(text), path_(path) {}

  Expected<ProfileFile> read() {
    const auto json = trace::parse_json(text_);
    if (!json) return wrong(json.error().column, json.error().message);
    if (json->kind != Kind::object) return wrong(json->column, "a profile is an object");
    if (const JsonMember* said = json->find("profile"); said == nullptr) {
      return wrong(json->column, R"(there is no "profile": 1, by which it is one)");
    } else if (!said->value.whole_number || said->value.number != profile_version) {
      return wrong(said->value.column,
                   fmt::format("\"profile\" is {}, the only version", profile_version));
    }
    for (const JsonMember& member : json->members) {
      if (auto read = read_member(member); !read) return std::unexpected(read.error());
    }
    if (file_.name.empty()) return wrong(json->column, R"(there is no "name")");
    return finish(json->column);
  }

 private:
  [[nodiscard]] std::unexpected<Error> wrong(u32 column, const std::string& what) const {
    return fail(ErrorCode::bad_input,
                fmt::format("{}:{}: {}", path_, place_in(text_, column - 1), what));
  }

  Expected<void> read_member(const JsonMember& member) {
    const JsonValue& value = member.value;
    if (member.key == "profile") return {};
    if (member.key == "name" || member.key == "about") {
      if (value.kind != Kind::string || value.text.empty()) {
        return wrong(value.column, fmt::format("\"{}\" is words", member.key));
      }
      if (member.key == "name") file_.name = value.text;
      return {};
    }
    if (member.key == "devices") {
      if (value.kind != Kind::string) return wrong(value.column, "\"devices\" is a text");
      return add(member, value.text);
    }
    if (std::ranges::find(profile_members, member.key) == profile_members.end()) {
      return wrong(member.column, fmt::format("there is no \"{}\"; there are {}", member.key,
                                              fmt::join(profile_members, ", ")));
    }
    if (value.kind != Kind::object) {
      return wrong(value.column, fmt::format("\"{}\" is an object", member.key));
    }
    for (const JsonMember& one : value.members) {
      auto read = member.key == "registers" ? read_field(one) : read_item(one, member.key);
      if (!read) return read;
    }
    return {};
  }

  /// A field of an ID register, by the name that machines have for it.
  Expected<void> read_field(const JsonMember& member) {
    const bool other = spec::find_profile_item(member.key) != nullptr || member.key == "devices" ||
                       member.key == "hooks" || member.key == "boot";
    if (other) {
      return wrong(member.column, fmt::format("\"{}\" is of no ID register", member.key));
    }
    if (!member.value.whole_number) {
      return wrong(member.value.column, fmt::format("\"{}\" is a number", member.key));
    }
    return add(member, std::to_string(member.value.number));
  }

  Expected<void> read_item(const JsonMember& member, const std::string& of) {
    const auto kind = of == "choices" ? ProfileItem::Kind::choice : ProfileItem::Kind::deviation;
    const ProfileItem* item = spec::find_profile_item(member.key);
    if (item == nullptr || item->kind != kind) {
      std::vector<std::string_view> names;
      for (const ProfileItem& one : spec::profile_items()) {
        if (one.kind == kind) names.push_back(one.name);
      }
      return wrong(member.column, fmt::format("{} have no \"{}\"; there are {}", of, member.key,
                                              fmt::join(names, ", ")));
    }
    if (member.value.kind != Kind::string || !item->value_named(member.value.text)) {
      std::vector<std::string_view> names;
      for (const auto& value : item->values) names.push_back(value.name);
      return wrong(member.value.column,
                   fmt::format("\"{}\" is one of \"{}\"", member.key, fmt::join(names, "\", \"")));
    }
    return add(member, member.value.text);
  }

  /// One change of a machine, which has to be one by itself.
  Expected<void> add(const JsonMember& member, const std::string& value) {
    const std::string change = member.key + "=" + value;
    if (value.contains(',')) return wrong(member.value.column, "a comma stands in no value");
    if (member.key == "devices") {
      devices_ = change;
      return {};
    }
    Machine scratch = default_machine();
    if (const auto changed = change_machine(scratch, change); !changed) {
      return wrong(member.column, changed.error().message);
    }
    changes_.push_back(change);
    return {};
  }

  /// And all of them together. Devices come last, since what they need depends on the others.
  Expected<ProfileFile> finish(u32 column) {
    if (!devices_.empty()) changes_.push_back(devices_);
    file_.machine = fmt::format("{}", fmt::join(changes_, ","));
    if (file_.machine.empty()) return wrong(column, "it states nothing");
    Machine machine = default_machine();
    if (const auto changed = change_machine(machine, file_.machine); !changed) {
      return wrong(column, changed.error().message);
    }
    return std::move(file_);
  }

  std::string_view text_, path_;
  ProfileFile file_;
  std::vector<std::string> changes_;
  std::string devices_;
};

}  // namespace

Expected<ProfileFile> parse_profile(std::string_view text, std::string_view path) {
  return ProfileReader(text, path).read();
}

Expected<ProfileFile> read_profile(const std::string& path) {
  const auto text = read_whole(path, profile_bytes_max);
  if (!text) return std::unexpected(text.error());
  return parse_profile(*text, path);
}

}  // namespace iommucheck::oracle
