// SPDX-License-Identifier: MIT
#include "trace/document.h"

#include <fmt/format.h>

#include "trace/members.h"

namespace iommucheck::trace {
namespace {

void add_field(std::string& out, const FieldInfo& field) {
  out += fmt::format("{}`{}{}` {}{}{}", out.empty() ? "" : "<br>", field.name,
                     field.may_be_absent ? "?" : "", field.type, field.text.empty() ? "" : ": ",
                     field.text);
}

/// "`pa`: u64, physical address" for each field, those that may be absent with "?".
std::string fields_text(std::span<const FieldEntry> fields) {
  std::string out;
  for (const FieldEntry& field : fields) add_field(out, field.info);
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
  std::string out;
  const auto& sides = EnumInfo<Side>::values;
  for (std::size_t side = 0; side < sides.size(); ++side) {
    out += fmt::format("### {}\n\n| event | meaning | fields |\n|---|---|---|\n", sides[side].name);
    for (const EventInfo& event : event_table) {
      if (event.side != static_cast<Side>(side)) continue;
      out += fmt::format("| `{}` | {} | {} |\n", event.name, event.text,
                         fields_text(fields_of(event.kind)));
    }
    out += '\n';
  }
  return out;
}

std::string call_tables() {
  std::string out;
  const auto& groups = EnumInfo<CallGroup>::values;
  for (std::size_t group = 0; group < groups.size(); ++group) {
    out += fmt::format("### {}\n\n| call | arguments |\n|---|---|\n", groups[group].name);
    for (const CallInfo& call : call_table) {
      if (call.group != static_cast<CallGroup>(group)) continue;
      out += fmt::format("| `{}`{} | {} |\n", call.name, call.built ? "" : " (not built)",
                         fields_text(fields_of(call.call)));
    }
    out += '\n';
  }
  return out;
}

std::string enum_tables() {
  std::string out = "| type | values |\n|---|---|\n";
  const auto row = [&](std::string_view type, std::string_view text, const auto& values) {
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
