// SPDX-License-Identifier: MIT
#include "report/known.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <span>
#include <vector>

#include "base/input.h"
#include "base/text.h"
#include "report/finding_identity.h"
#include "report/finding_kind_text.h"
#include "trace/file.h"
#include "trace/json_value.h"

namespace iommucheck::oracle {

namespace {

using trace::JsonMember;
using trace::JsonTree;
using trace::JsonValue;

/// The text of a file, and what is wrong with it where.
struct Source {
  std::string path;
  std::string text;

  /// `column` counts from the text's beginning, from 1.
  [[nodiscard]] std::unexpected<Error> bad(u32 column, const std::string& what) const {
    return fail(ErrorCode::bad_input,
                fmt::format("{}:{}: {}", path, place_in(text, column == 0 ? 0 : column - 1), what));
  }

  /// The member as a string; nothing if it is not there and need not be.
  [[nodiscard]] Expected<std::string> text_of(const JsonValue& object, std::string_view key,
                                              bool needed) const {
    const JsonMember* member = object.find(key);
    if (member == nullptr && !needed) return std::string();
    if (member == nullptr || member->value.kind != JsonValue::Kind::string) {
      return bad(member == nullptr ? object.column : member->value.column,
                 fmt::format("'{}' has to be a string", key));
    }
    return member->value.text;
  }
};

bool is_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  const auto number = [&](std::size_t at, std::size_t size) {
    int value = 0;
    for (const char c : text.substr(at, size)) {
      if (c < '0' || c > '9') return -1;
      value = 10 * value + (c - '0');
    }
    return value;
  };
  const int year = number(0, 4);
  const int month = number(5, 2);
  const int day = number(8, 2);
  if (year < 0 || month < 0 || day < 0) return false;
  return std::chrono::year_month_day(std::chrono::year(year),
                                     std::chrono::month(static_cast<unsigned>(month)),
                                     std::chrono::day(static_cast<unsigned>(day)))
      .ok();
}

/// Empty, or what is wrong with the entry.
std::string objection(const KnownFinding& known, const KnownFile& file) {
  const auto rule = spec::find_rule(known.rule);
  if (!rule) return "there is no rule '" + known.rule + "'";
  if (known.id.empty() ||
      known.id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos) {
    return "'id' is a name of lower case letters, digits and hyphens";
  }
  const auto same = [&](const KnownFinding& other) { return other.id == known.id; };
  if (std::ranges::any_of(file.entries, same)) return "'" + known.id + "' is there twice";
  if (known.why.empty()) return "'why' is empty; say why it is left so";
  const spec::Keeper keeps = spec::rule_info(*rule).keeper;
  const std::string_view keeper = spec::keeper_name(keeps);
  const bool is_backends =
      keeps == spec::Keeper::driver && known.party == spec::keeper_name(spec::Keeper::backend);
  if (!known.party.empty() && known.party != keeper && !is_backends) {
    return fmt::format("'party' is '{}', and {} is for {} to keep", known.party, known.rule,
                       keeper);
  }
  return {};
}

/// A mistyped key would be one that is not there.
Expected<void> only_keys(const Source& source, const JsonValue& object, std::string_view what,
                         std::span<const std::string_view> keys) {
  for (const JsonMember& member : object.members) {
    if (std::ranges::find(keys, member.key) == keys.end()) {
      return source.bad(member.column, fmt::format("{} has no key '{}'; it may have {}", what,
                                                   member.key, fmt::join(keys, ", ")));
    }
  }
  return {};
}

Expected<KnownFinding> read_entry(const Source& source, const JsonValue& item, bool of_device) {
  KnownFinding known;
  struct Key {
    const char* name;
    std::string* place;
    bool needed;
  };
  for (const auto& [name, place, needed] :
       {Key{"id", &known.id, true}, Key{"rule", &known.rule, true}, Key{"kind", &known.kind, true},
        Key{"section", &known.section, of_device}, Key{"why", &known.why, true},
        Key{"correct", &known.correct, of_device}, Key{"party", &known.party, false},
        Key{"expires", &known.expires, false}}) {
    auto value = source.text_of(item, name, needed);
    if (!value) return std::unexpected(std::move(value.error()));
    *place = std::move(*value);
  }
  constexpr std::string_view keys[] = {"id",      "rule",  "kind",    "section", "why",
                                       "correct", "party", "expires", "parts"};
  if (auto only = only_keys(source, item, "an entry", keys); !only) {
    return std::unexpected(std::move(only.error()));
  }
  if (const JsonMember* day = item.find("expires"); day != nullptr && !is_date(known.expires)) {
    return source.bad(item.column, "'expires' is no day; write YYYY-MM-DD");
  }
  if (const JsonMember* parts = item.find("parts"); parts != nullptr) {
    auto kind = kind_of_json(parts->value);
    if (!kind) return source.bad(kind.error().column, kind.error().message);
    known.parts = std::move(*kind);
  } else if (!of_device && !known.kind.starts_with('*') && !known.kind.ends_with('*')) {
    known.parts = kind_of_text(known.kind);
  }
  return known;
}

constexpr const char* id_names[] = {"idr0", "idr1", "idr2", "idr3", "idr4", "idr5", "aidr"};

template <class Registers>
auto& register_of(Registers& id, std::size_t i) {
  return i < std::size(id.idr) ? id.idr[i] : id.aidr;
}

/// "id_registers": each by its name, as a hexadecimal string.
Expected<std::optional<spec::IdRegisters>> read_id(const Source& source, const JsonValue& json) {
  const JsonMember* object = json.find("id_registers");
  if (object == nullptr) return std::nullopt;
  spec::IdRegisters id;
  for (std::size_t i = 0; i < std::size(id_names); ++i) {
    const auto text = source.text_of(object->value, id_names[i], true);
    if (!text) return std::unexpected(text.error());
    const char* const end = text->data() + text->size();
    const bool prefixed = text->starts_with("0x");
    u32& value = register_of(id, i);
    const auto [at, error] =
        std::from_chars(text->data() + (prefixed ? 2 : 0), end, value, prefixed ? 16 : 10);
    if (error != std::errc() || at != end) {
      return source.bad(object->value.column,
                        fmt::format("'{}' is no number of 32 bits", id_names[i]));
    }
  }
  return id;
}

std::string_view word_of(KnownFile::Subject of) {
  return of == KnownFile::Subject::device ? "device" : "driver";
}

}  // namespace

bool KnownFinding::covers(std::string_view rule_name, std::string_view its_kind) const {
  if (rule != rule_name) return false;
  std::string_view part = kind;
  const bool any_end = part.ends_with('*');
  if (any_end) part.remove_suffix(1);
  const bool any_beginning = part.starts_with('*');
  if (any_beginning) part.remove_prefix(1);
  if (any_beginning && any_end) return its_kind.find(part) != std::string_view::npos;
  if (any_beginning) return its_kind.ends_with(part);
  return any_end ? its_kind.starts_with(part) : its_kind == part;
}

bool KnownFinding::covers(spec::Rule its_rule, const FindingKind& its_kind) const {
  if (!parts) return covers(spec::rule_name(its_rule), text_of(its_kind));
  const auto known_rule = spec::find_rule(rule);
  return known_rule && *parts == its_kind &&
         rule_of_cause(*known_rule, *parts) == rule_of_cause(its_rule, its_kind);
}

bool KnownFinding::expired(std::string_view today) const {
  return !expires.empty() && expires < today;
}

const KnownFinding* KnownFile::find(spec::Rule rule, std::string_view kind) const {
  for (const KnownFinding& known : entries) {
    if (known.covers(spec::rule_name(rule), kind)) return &known;
  }
  return nullptr;
}

const KnownFinding* KnownFile::find(spec::Rule rule, const FindingKind& kind) const {
  for (const KnownFinding& known : entries) {
    if (known.covers(rule, kind)) return &known;
  }
  return nullptr;
}

std::string KnownFile::trace_path(const KnownFinding& known) const {
  return (std::filesystem::path(path).parent_path() / std::filesystem::path(path).stem() /
          (known.id + ".jsonl"))
      .string();
}

Expected<KnownFile> read_known(const std::string& path, KnownFile::Subject of) {
  auto text = read_whole(path, std::size_t{16} << 20);
  if (!text) return std::unexpected(std::move(text.error()));
  const Source source{path, std::move(*text)};
  const auto json = trace::parse_json(source.text);
  if (!json) return source.bad(json.error().column, json.error().message);
  KnownFile file;
  file.path = path;
  file.of = of;
  const bool of_device = of == KnownFile::Subject::device;
  const char* const key = of_device ? "divergences" : "findings";
  std::vector<std::string_view> keys = {word_of(of), "version", key};
  if (of_device) keys.emplace_back("id_registers");
  if (auto only = only_keys(source, *json, "the file", keys); !only) {
    return std::unexpected(std::move(only.error()));
  }
  auto subject = source.text_of(*json, word_of(of), true);
  if (!subject) return std::unexpected(std::move(subject.error()));
  auto version = source.text_of(*json, "version", of_device);
  if (!version) return std::unexpected(std::move(version.error()));
  file.subject = std::move(*subject);
  file.version = std::move(*version);
  if (of_device) {
    auto id = read_id(source, *json);
    if (!id) return std::unexpected(std::move(id.error()));
    file.id = *id;
  }
  const JsonMember* list = json->find(key);
  if (list == nullptr || list->value.kind != JsonValue::Kind::array) {
    return source.bad(json->column, fmt::format("'{}' has to be an array", key));
  }
  for (const JsonValue& item : list->value.items) {
    auto known = read_entry(source, item, of_device);
    if (!known) return std::unexpected(std::move(known.error()));
    if (const std::string what = objection(*known, file); !what.empty()) {
      return source.bad(item.column, what);
    }
    file.entries.push_back(std::move(*known));
  }
  return file;
}

std::string known_text(const KnownFile& file) {
  JsonTree list = JsonTree::array();
  for (const KnownFinding& known : file.entries) {
    JsonTree entry = JsonTree::object();
    entry.set("id", known.id).set("rule", known.rule);
    if (!known.party.empty()) entry.set("party", known.party);
    entry.set("kind", known.kind);
    if (known.parts) entry.set("parts", to_json(*known.parts));
    entry.set("section", known.section);
    entry.set("why", known.why).set("correct", known.correct);
    if (!known.expires.empty()) entry.set("expires", known.expires);
    list.add(std::move(entry));
  }
  JsonTree json = JsonTree::object();
  json.set(word_of(file.of), file.subject);
  if (!file.version.empty()) json.set("version", file.version);
  if (file.id) {
    JsonTree id = JsonTree::object();
    for (std::size_t i = 0; i < std::size(id_names); ++i) {
      id.set(id_names[i], fmt::format("{:#x}", register_of(*file.id, i)));
    }
    json.set("id_registers", std::move(id));
  }
  json.set(file.of == KnownFile::Subject::device ? "divergences" : "findings", std::move(list));
  return json.text(1) + "\n";
}

std::string suggested_id(spec::Rule rule, std::string_view kind) {
  std::string id;
  for (const char c : fmt::format("{}-{}", spec::rule_name(rule), kind)) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (upper || plain) {
      id += upper ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (!id.empty() && id.back() != '-') {
      id += '-';
    }
    if (id.size() >= 90) break;
  }
  while (!id.empty() && id.back() == '-') id.pop_back();
  return id;
}

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  return fmt::format("{:04}-{:02}-{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

}  // namespace iommucheck::oracle
