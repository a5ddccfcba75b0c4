// SPDX-License-Identifier: MIT
#include "trace/document.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "trace/members.h"

namespace iommucheck::trace {
namespace {

std::string name_of(const FieldInfo& field) {
  return fmt::format("`{}{}`", field.name, field.may_be_absent ? "?" : "");
}

/// "`pa?` u64: physical address".
std::string described(const FieldInfo& field) {
  return fmt::format("{} {}{}{}", name_of(field), field.type, field.text.empty() ? "" : ": ",
                     field.text);
}

/// Fields that are the same in several rows: they are described once, and named in the rows.
class Shared {
 public:
  void count(std::span<const FieldEntry> fields) {
    for (const FieldEntry& field : fields) {
      const std::string text = described(field.info);
      const auto at = std::ranges::find(all_, text, &Entry::text);
      if (at != all_.end()) {
        ++at->rows;
      } else {
        all_.push_back({name_of(field.info), text, 1});
      }
    }
  }
  [[nodiscard]] std::string table() const {
    std::string out = "| field of several | |\n|---|---|\n";
    for (const Entry& entry : all_) {
      if (!is_shared(entry)) continue;
      const std::string_view rest = std::string_view(entry.text).substr(entry.name.size() + 1);
      out += fmt::format("| {} | {} |\n", entry.name, rest);
    }
    return out + '\n';
  }
  [[nodiscard]] std::string row(std::span<const FieldEntry> fields) const {
    std::string out;
    for (const FieldEntry& field : fields) {
      const std::string text = described(field.info);
      const auto at = std::ranges::find(all_, text, &Entry::text);
      out += (out.empty() ? "" : "<br>") + (is_shared(*at) ? at->name : text);
    }
    return out.empty() ? "none" : out;
  }

  /// Those that are described in no table.
  [[nodiscard]] std::string own(std::span<const FieldEntry> fields) const {
    std::string out;
    for (const FieldEntry& field : fields) {
      const std::string text = described(field.info);
      if (is_shared(*std::ranges::find(all_, text, &Entry::text))) continue;
      out += (out.empty() ? "" : "<br>") + text;
    }
    return out;
  }

 private:
  struct Entry {
    std::string name, text;
    unsigned rows = 0;
  };
  /// Of one name only what most rows say, so that the name alone tells which.
  [[nodiscard]] bool is_shared(const Entry& entry) const {
    if (entry.rows < 2) return false;
    const auto most = std::ranges::max_element(
        all_, {}, [&](const Entry& other) { return other.name == entry.name ? other.rows : 0; });
    return most->text == entry.text;
  }
  std::vector<Entry> all_;
};

/// "`pa` u64: physical address" for each field, those that may be absent with "?".
std::string fields_text(std::span<const FieldEntry> fields) {
  std::string out;
  for (const FieldEntry& field : fields) out += (out.empty() ? "" : "<br>") + described(field.info);
  return out.empty() ? "none" : out;
}

}  // namespace

std::string header_table() {
  std::string out = "| key | type | meaning |\n|---|---|---|\n";
  for (const auto& [field, offset, type] : members(Header{}).fields) {
    out += fmt::format("| `{}{}` | {} | {} |\n", field.name, field.may_be_absent ? "?" : "",
                       field.type, field.text);
  }
  out += "\n| type | fields |\n|---|---|\n";
  out += fmt::format("| WordAt | {} |\n", fields_text(members(WordAt{}).fields));
  out += fmt::format("| CommandWords | {} |\n", fields_text(members(CommandWords{}).fields));
  out += fmt::format("| Range | {} |\n", fields_text(members(Range{}).fields));
  out += fmt::format("| DeviceInfo | {} |\n", fields_text(members(DeviceInfo{}).fields));
  return out;
}

std::string event_tables() {
  Shared shared;
  for (const EventInfo& event : event_table) shared.count(fields_of(event.kind));
  std::string out = shared.table();
  const auto& sides = EnumInfo<Side>::values;
  for (std::size_t side = 0; side < sides.size(); ++side) {
    out += fmt::format("### {}\n\n| event | meaning | fields |\n|---|---|---|\n", sides[side].name);
    for (const EventInfo& event : event_table) {
      if (event.side != static_cast<Side>(side)) continue;
      out += fmt::format("| `{}` | {} | {} |\n", event.name, event.text,
                         shared.row(fields_of(event.kind)));
    }
    out += '\n';
  }
  return out;
}

std::string call_tables() {
  Shared shared;
  for (const CallInfo& call : call_table) shared.count(fields_of(call.call));
  std::string out = shared.table() + "| call | arguments of its own |\n|---|---|\n";
  for (const CallInfo& call : call_table) {
    const std::string own = shared.own(fields_of(call.call));
    if (call.built && own.empty()) continue;
    out += fmt::format("| `{}`{} | {} |\n", call.name, call.built ? "" : " (not built)", own);
  }
  return out;
}

std::string enum_tables() {
  std::string out = "| type | values |\n|---|---|\n";
  const auto row = [&](std::string_view type, std::string_view text, const auto& values) {
    if (type == EnumInfo<Side>::type || type == EnumInfo<CallGroup>::type) return;  // of documents
    out += fmt::format("| {}: {} | ", type, text);
    for (const ValueInfo& value : values) {
      out += fmt::format("{}`{}`{}{}", &value == &values.front() ? "" : "<br>", value.name,
                         value.text.empty() ? "" : ": ", value.text);
    }
    out += " |\n";
  };
#define TRACE_VALUE(identifier, number, name, text)
#define TRACE_ENUM(Type, about, ...) \
  row(EnumInfo<Type>::type, EnumInfo<Type>::text, EnumInfo<Type>::values);
#include "trace/enums.def"
#undef TRACE_ENUM
#undef TRACE_VALUE
  return out;
}

}  // namespace iommucheck::trace
