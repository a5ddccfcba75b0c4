// SPDX-License-Identifier: MIT
#include "trace/c_header.h"

#include <fmt/format.h>

#include <vector>

#include "trace/c_layout.h"

namespace iommucheck::trace {
namespace {

constexpr std::string_view generated =
    "/* SPDX-License-Identifier: MIT\n"
    " *\n"
    " * {}\n"
    " * Made from trace/events.def, base/calls.def and trace/enums.def; after a change of these:\n"
    " * IOMMUCHECK_UPDATE_DOCS=1 test_base_trace --gtest_filter='*Document*'\n"
    " */\n"
    "/* clang-format off */\n";

/// "MmioWrite" and "mmio_write" as "mmio_write".
std::string lower(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool capital = c >= 'A' && c <= 'Z';
    if (capital && !out.empty()) out += '_';
    out += capital ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return out;
}
std::string upper(std::string_view name) {
  std::string out = lower(name);
  for (char& c : out) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return out;
}

struct Member {
  std::string name;
  std::string declaration;  ///< as member and as parameter, without "const" at its end
  std::string about;        ///< type and text
  int fact = -1;            ///< bit of `known`
  bool first = true;        ///< of its field
};

std::string pointed_type(std::string_view type) {
  if (type == "Text") return "const char*";
  if (type == "WordsAt") return "const struct iommucheck_word_at*";
  if (type == "Ranges") return "const struct iommucheck_range*";
  if (type == "Commands") return "const struct iommucheck_command_words*";
  return "const uint64_t*";
}

template <class T>
void add_members(std::vector<Member>& members, const FieldInfo& field, int fact) {
  const std::string name(field.name);
  const std::string about =
      std::string(field.type) + (field.text.empty() ? "" : ": ") + std::string(field.text);
  const auto add = [&](const std::string& member, const std::string& type, bool first) {
    members.push_back({member, type + " " + member, about, fact, first});
  };
  switch (c_shape<T>()) {
    case CShape::number: add(name, "uint64_t", true); break;
    case CShape::command:
      add(name + "_low", "uint64_t", true);
      add(name + "_high", "uint64_t", false);
      break;
    case CShape::list:
      add(name, pointed_type(field.type), true);
      add(name + "_count", "uint64_t", false);
      break;
    default: add(name, pointed_type(field.type), true);
  }
}

/// A struct with its function.
struct Record {
  std::string name;  ///< "store", "call_map"
  std::string about;
  std::string kind;            ///< IOMMUCHECK_EVENT_STORE
  std::string call;            ///< IOMMUCHECK_CALL_MAP; empty: no call
  std::vector<Member> common;  ///< of every call, before its arguments
  std::vector<Member> members;
};

template <class T>
std::vector<Member> members_of(int first_fact = 0) {
  std::vector<Member> members;
  int facts = first_fact;
  T value{};
  for_each_field(value, [&](const FieldInfo& field, auto& member) {
    using Type = std::remove_cvref_t<decltype(member)>;
    using Inner = typename WithoutOptional<Type>::Type;
    if constexpr (std::is_same_v<Inner, CallArguments>) {
      members.push_back({"call", "uint64_t call", {}, -1, true});
    } else {
      add_members<Inner>(members, field, std::is_same_v<Inner, Type> ? -1 : facts++);
    }
  });
  return members;
}

template <class Variant, class Visit>
void each(int first_fact, Visit&& visit) {
  [&]<std::size_t... i>(std::index_sequence<i...>) {
    (visit(i, members_of<std::variant_alternative_t<i, Variant>>(first_fact)), ...);
  }(std::make_index_sequence<std::variant_size_v<Variant>>{});
}

int facts_of(const std::vector<Member>& members) {
  int facts = 0;
  for (const Member& member : members) facts += member.fact >= 0 && member.first;
  return facts;
}

std::vector<Record> records() {
  std::vector<Record> all;
  each<PayloadVariant>(0, [&](std::size_t i, std::vector<Member> members) {
    const EventInfo& event = event_table[i];
    if (event.kind == EventKind::Call) return;
    all.push_back({lower(event.name),
                   std::string(event.name) + ": " + std::string(event.text),
                   "IOMMUCHECK_EVENT_" + upper(event.name),
                   {},
                   {},
                   std::move(members)});
  });
  const std::vector<Member> common = members_of<Call>();
  each<CallVariant>(facts_of(common), [&](std::size_t i, std::vector<Member> members) {
    const CallInfo& call = call_table[i];
    std::string about = "Call of " + std::string(call.name) + ": " + std::string(call.text);
    all.push_back({"call_" + std::string(call.name), std::move(about), "IOMMUCHECK_EVENT_CALL",
                   "IOMMUCHECK_CALL_" + upper(call.name), common, std::move(members)});
  });
  return all;
}

std::string enum_text(std::string_view type, std::string_view about,
                      std::span<const std::string_view> identifiers,
                      std::span<const ValueInfo> values) {
  std::string out = fmt::format("\n/* {}: {} */\nenum {{\n", type, about);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::string_view text = values[i].text;
    out += fmt::format("  IOMMUCHECK_{}_{} = {}{}{}\n", upper(type), upper(identifiers[i]),
                       values[i].number, i + 1 == values.size() ? "" : ",",
                       text.empty() ? "" : fmt::format(" /* {} */", text));
  }
  return out + "};\n";
}

std::string enums() {
  std::string out;
#define TRACE_VALUE(identifier, number, name, text) #identifier,
#define TRACE_ENUM(Type, about, list)                                                \
  if (std::string_view(#Type) != "Side" && std::string_view(#Type) != "CallGroup") { \
    const std::string_view identifiers[] = {list};                                   \
    out += enum_text(#Type, about, identifiers, EnumInfo<Type>::values);             \
  }
#include "trace/enums.def"
#undef TRACE_ENUM
#undef TRACE_VALUE
  out += "\n/* Kinds of event. */\nenum iommucheck_event_kind {\n";
  for (std::size_t i = 0; i < event_kind_count; ++i) {
    out += fmt::format("  IOMMUCHECK_EVENT_{} = {}{}\n", upper(event_table[i].name), i,
                       i + 1 == event_kind_count ? "" : ",");
  }
  out += "};\n\n/* Calls of the interface. */\nenum iommucheck_call {\n";
  for (std::size_t i = 0; i < call_count; ++i) {
    out += fmt::format("  IOMMUCHECK_CALL_{} = {}{}\n", upper(call_table[i].name), i,
                       i + 1 == call_count ? "" : ",");
  }
  return out + "};\n";
}

std::string member_text(const Member& member, const std::string& call) {
  std::string out = fmt::format("  {};", member.declaration);
  const std::string about = member.about.empty() ? call : member.about;
  if (member.first) out += fmt::format(" /* {}{} */", member.fact < 0 ? "" : "? ", about);
  return out + "\n";
}

/// The bits of `known` for the facts among the members of a record of that name.
std::string bits_text(std::string_view record, const std::vector<Member>& members) {
  std::string out;
  for (const Member& member : members) {
    if (member.fact < 0 || !member.first) continue;
    std::string name = member.name;
    if (name.ends_with("_low")) name.resize(name.size() - 4);
    out += fmt::format("#define IOMMUCHECK_{}_{} (1ull << {})\n", upper(record), upper(name),
                       member.fact);
  }
  return out;
}

std::string struct_text(const Record& record) {
  std::string out = fmt::format(
      "\n/* {} */\nstruct iommucheck_event_{} {{\n"
      "  struct iommucheck_event head;\n",
      record.about, record.name);
  for (const Member& member : record.common) out += member_text(member, record.call);
  for (const Member& member : record.members) out += member_text(member, {});
  return out + "};\n" + bits_text(record.name, record.members);
}

std::string prototype(const Record& record) {
  std::string out = fmt::format(
      "int iommucheck_report_{}(struct iommucheck_monitor* monitor, "
      "uint32_t agent,\n    uint64_t known",
      record.name);
  std::size_t column = 18;
  const auto add = [&](const std::string& parameter) {
    if (column + parameter.size() + 4 > 98) {
      out += ",\n    " + parameter;
      column = 4 + parameter.size();
    } else {
      out += ", " + parameter;
      column += 2 + parameter.size();
    }
  };
  if (!record.call.empty()) add("uint64_t id");
  for (const Member& member : record.members) add(member.declaration);
  return out + ")";
}

/// The call's own members: its name, and facts that only a struct can give.
std::string common_text(const Record& record) {
  std::string out;
  for (const Member& member : record.common) {
    const std::string value = member.name == "id"     ? "id"
                              : member.name == "call" ? record.call
                                                      : "0";
    out += fmt::format("  event.{} = {};\n", member.name, value);
  }
  return out;
}

std::string function_text(const Record& record) {
  std::string out = fmt::format("\nMEMBERS(iommucheck_event_{}, {});\n{} {{\n", record.name,
                                record.members.size() + record.common.size(), prototype(record));
  const int left_out = facts_of(record.common);
  out += fmt::format(
      "  struct iommucheck_event_{} event;\n"
      "  if (known & {}) return iommucheck_monitor_report(monitor, 0);\n"
      "  event.head.size = (uint32_t)sizeof event;\n"
      "  event.head.abi = IOMMUCHECK_MONITOR_ABI;\n"
      "  event.head.kind = {};\n"
      "  event.head.agent = agent;\n"
      "  event.head.known = known;\n"
      "  event.head.origin = 0;\n",
      record.name,
      left_out == 0 ? std::string("IOMMUCHECK_KNOWN_ORIGIN")
                    : fmt::format("(IOMMUCHECK_KNOWN_ORIGIN | {}u)", (1U << left_out) - 1),
      record.kind);
  out += common_text(record);
  for (const Member& member : record.members)
    out += fmt::format("  event.{0} = {0};\n", member.name);
  return out + "  return iommucheck_monitor_report(monitor, &event.head);\n}\n";
}

}  // namespace

std::string c_events_header() {
  std::string out = fmt::format(
      fmt::runtime(generated),
      "iommucheck/monitor_events.h - every event as a struct and as a function. Included by\n"
      " * iommucheck/monitor.h, which says what holds for all of them. A comment that begins with\n"
      " * \"?\" marks a fact: it counts only with its bit in `known`.");
  out +=
      "#ifndef IOMMUCHECK_MONITOR_EVENTS_H\n#define IOMMUCHECK_MONITOR_EVENTS_H\n\n"
      "#ifndef IOMMUCHECK_MONITOR_H\n#error \"include iommucheck/monitor.h\"\n#endif\n\n"
      "struct iommucheck_word_at { uint64_t pa, value; };\n"
      "struct iommucheck_range { uint64_t base, length; };\n"
      "struct iommucheck_command_words { uint64_t low, high; };\n";
  out += enums();
  const std::vector<Record> all = records();
  out += "\n/* Facts of every Call; those of its arguments follow at each. */\n";
  out += bits_text("call", members_of<Call>());
  for (const Record& record : all) out += struct_text(record);
  out +=
      "\n/* Each makes its struct and gives it to iommucheck_monitor_report, whose answer it "
      "returns.\n"
      " * They have no `origin`, and calls no facts of their own: EINVAL; those need the struct. "
      "*/\n";
  for (const Record& record : all) out += prototype(record) + ";\n";
  return out + "\n#endif /* IOMMUCHECK_MONITOR_EVENTS_H */\n";
}

std::string c_events_source() {
  std::string out =
      fmt::format(fmt::runtime(generated), "The functions of iommucheck/monitor_events.h.");
  out +=
      "#include \"iommucheck/monitor.h\"\n\n"
      "/* Every member has 8 bytes, so that no compiler has to pad. */\n"
      "#define MEMBERS(type, n) \\\n"
      "  typedef char type##_members[sizeof(struct type) == 32 + 8 * (n) ? 1 : -1]\n";
  for (const Record& record : records()) out += function_text(record);
  return out;
}

}  // namespace iommucheck::trace
