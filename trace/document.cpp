// SPDX-License-Identifier: MIT
#include "trace/document.h"

#include <fmt/format.h>

#include <utility>

#include "trace/event.h"

namespace iommucheck::trace {
namespace {

void add_field(std::string& out, const FieldInfo& field) {
  out += fmt::format("{}`{}{}` {}{}{}", out.empty() ? "" : "<br>", field.name,
                     field.may_be_absent ? "?" : "", field.type, field.text.empty() ? "" : ": ",
                     field.text);
}

/// "`pa`: u64, physical address" for each field, those that may be absent with "?".
template <class T>
std::string fields_of() {
  T value{};
  std::string out;
  for_each_field(value, [&](const FieldInfo& field, auto&) { add_field(out, field); });
  return out.empty() ? "none" : out;
}

/// `visit(info, fields)` for each alternative of a variant with its row of the table.
template <class Variant, class Table, class Visit>
void each(const Table& table, Visit&& visit) {
  [&]<std::size_t... i>(std::index_sequence<i...>) {
    (visit(table[i], fields_of<std::variant_alternative_t<i, Variant>>()), ...);
  }(std::make_index_sequence<std::variant_size_v<Variant>>{});
}

}  // namespace

std::string header_table() {
  std::string out = "| key | type | meaning |\n|---|---|---|\n";
  Header header;
  for_each_field(header, [&](const FieldInfo& field, auto&) {
    out += fmt::format("| `{}{}` | {} | {} |\n", field.name, field.may_be_absent ? "?" : "",
                       field.type, field.text);
  });
  out += "\n| type | fields |\n|---|---|\n";
  out += fmt::format("| WordAt | {} |\n", fields_of<WordAt>());
  out += fmt::format("| CommandWords | {} |\n", fields_of<CommandWords>());
  out += fmt::format("| Range | {} |\n", fields_of<Range>());
  out += fmt::format("| DeviceInfo | {} |\n", fields_of<DeviceInfo>());
  return out;
}

std::string event_tables() {
  std::string out;
  const auto& sides = EnumInfo<Side>::values;
  for (std::size_t side = 0; side < sides.size(); ++side) {
    out += fmt::format("### {}\n\n| event | meaning | fields |\n|---|---|---|\n", sides[side].name);
    each<PayloadVariant>(event_table, [&](const EventInfo& event, const std::string& fields) {
      if (event.side != static_cast<Side>(side)) return;
      out += fmt::format("| `{}` | {} | {} |\n", event.name, event.text, fields);
    });
    out += '\n';
  }
  return out;
}

std::string call_tables() {
  std::string out;
  const auto& groups = EnumInfo<CallGroup>::values;
  for (std::size_t group = 0; group < groups.size(); ++group) {
    out += fmt::format(
        "### {}\n\n| call | meaning | returns | arguments | built |\n"
        "|---|---|---|---|---|\n",
        groups[group].name);
    each<CallVariant>(call_table, [&](const CallInfo& call, const std::string& fields) {
      if (call.group != static_cast<CallGroup>(group)) return;
      out += fmt::format("| `{}` | {} | {} | {} | {} |\n", call.name, call.text,
                         to_string(call.result), fields, call.built ? "yes" : "no");
    });
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
