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
    " * ./dev generate\n"
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

/// "DomainKind" as "DOMAIN", "Attribute" as "ATTRIBUTE": as the constants begin in C.
std::string prefix_of(std::string_view type) {
  for (const std::string_view end : {"Kind", "Response"}) {
    if (type.ends_with(end)) type.remove_suffix(end.size());
  }
  return upper(type);
}
/// A status is known by its errno's name alone.
std::string constant(std::string_view type, std::string_view identifier) {
  const bool bare = type == "Status" && identifier != "other";
  return "IOMMUCHECK_" + (bare ? std::string() : prefix_of(type) + "_") + upper(identifier);
}

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

/// A struct with its function: an event's, or that of a call's arguments.
struct Record {
  std::string name;  ///< "store", "call_map"
  std::string about;
  std::string kind;  ///< IOMMUCHECK_EVENT_STORE, IOMMUCHECK_CALL_MAP
  bool is_call = false;
  std::vector<Member> members;

  [[nodiscard]] std::string type() const { return (is_call ? "" : "event_") + name; }
};

// Not inlined: all of them in one function take longer to compile than each in its own.
template <class T>
[[gnu::noinline]] std::vector<Member> members_of() {
  std::vector<Member> members;
  int facts = 0;
  T value{};
  for_each_field(value, [&](const FieldInfo& field, auto& member) {
    using Type = std::remove_cvref_t<decltype(member)>;
    using Inner = typename WithoutOptional<Type>::Type;
    if constexpr (std::is_same_v<Inner, CallArguments>) {
      members.push_back({"call", "uint64_t call", "IOMMUCHECK_CALL_*", -1, true});
      members.push_back({"arguments", "const void* arguments",
                         "the call's struct, e.g. struct iommucheck_call_map", -1, true});
    } else {
      add_members<Inner>(members, field, std::is_same_v<Inner, Type> ? -1 : facts++);
    }
  });
  return members;
}

template <class Variant, class Visit>
void each(Visit&& visit) {
  [&]<std::size_t... i>(std::index_sequence<i...>) {
    (visit(i, members_of<std::variant_alternative_t<i, Variant>>()), ...);
  }(std::make_index_sequence<std::variant_size_v<Variant>>{});
}

std::vector<Record> records() {
  std::vector<Record> all;
  each<PayloadVariant>([&](std::size_t i, std::vector<Member> members) {
    const EventInfo& event = event_table[i];
    all.push_back({.name = lower(event.name),
                   .about = std::string(event.name) + ": " + std::string(event.text),
                   .kind = "IOMMUCHECK_EVENT_" + upper(event.name),
                   .members = std::move(members)});
  });
  each<CallVariant>([&](std::size_t i, std::vector<Member> members) {
    const CallInfo& call = call_table[i];
    all.push_back(
        {.name = "call_" + std::string(call.name),
         .about = "Arguments of " + std::string(call.name) + ": " + std::string(call.text),
         .kind = "IOMMUCHECK_CALL_" + upper(call.name),
         .is_call = true,
         .members = std::move(members)});
  });
  return all;
}

std::string enum_text(std::string_view type, std::string_view about,
                      std::span<const std::string_view> identifiers,
                      std::span<const ValueInfo> values) {
  std::string out = fmt::format("\n/* {}: {} */\nenum {{\n", type, about);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::string_view text = values[i].text;
    out += fmt::format("  {} = {}{}{}\n", constant(type, identifiers[i]), values[i].number,
                       i + 1 == values.size() ? "" : ",",
                       text.empty() ? "" : fmt::format(" /* {} */", text));
  }
  return out + "};\n";
}

std::string words() {
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
  return out;
}

std::string kinds() {
  std::string out = "\n/* Kinds of event. */\nenum iommucheck_event_kind {\n";
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

std::string member_text(const Member& member) {
  std::string out = fmt::format("  {};", member.declaration);
  if (member.first) out += fmt::format(" /* {}{} */", member.fact < 0 ? "" : "? ", member.about);
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
  std::string out =
      fmt::format("\n/* {} */\nstruct iommucheck_{} {{\n  struct iommucheck_{} head;\n",
                  record.about, record.type(), record.is_call ? "arguments" : "event");
  for (const Member& member : record.members) out += member_text(member);
  return out + "};\n" + bits_text(record.name, record.members);
}

/// `first` and `parameters`, in lines of at most 98 characters.
std::string listed(std::string first, const std::vector<std::string>& parameters) {
  std::size_t column = first.size() - (first.rfind('\n') + 1);
  for (const std::string& parameter : parameters) {
    if (column + parameter.size() + 4 > 98) {
      first += ",\n    " + parameter;
      column = 4 + parameter.size();
    } else {
      first += ", " + parameter;
      column += 2 + parameter.size();
    }
  }
  return first;
}

std::string function_text(const Record& record) {
  const std::string name = record.type();
  std::vector<std::string> parameters{"uint32_t agent", "uint64_t known"};
  std::string values;
  if (record.is_call) parameters.emplace_back("uint64_t id");
  for (const Member& member : record.members) {
    parameters.push_back(member.declaration);
    values += fmt::format("  it.{0} = {0};\n", member.name);
  }
  std::string out = listed(fmt::format("IOMMUCHECK_REPORT int iommucheck_report_{}(\n"
                                       "    struct iommucheck_monitor* monitor",
                                       record.name),
                           parameters);
  out += fmt::format(") {{\n  struct iommucheck_{} it;\n", name);
  if (record.is_call) {
    return out + fmt::format(
                     "{}  return iommucheck_report_call(monitor, agent, id, {}, &it.head, "
                     "sizeof it,\n                                known);\n}}\n",
                     values, record.kind);
  }
  return out + fmt::format(
                   "  iommucheck_report_head(&it.head, sizeof it, {}, agent, known);\n{}"
                   "  return iommucheck_monitor_report(monitor, &it.head);\n}}\n",
                   record.kind, values);
}

constexpr std::string_view report_begin =
    "#ifndef IOMMUCHECK_MONITOR_REPORT_H\n#define IOMMUCHECK_MONITOR_REPORT_H\n\n"
    "#include \"iommucheck/monitor.h\"\n"
    R"(
#ifndef IOMMUCHECK_REPORT
#if defined(__cplusplus) || (defined(__STDC_VERSION__) && __STDC_VERSION__ >= 199901L)
#define IOMMUCHECK_REPORT static inline
#else
#error "iommucheck/monitor_report.h needs C99 or C++"
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* They have no `origin`: a size that no event has makes that an error. */
static inline void iommucheck_report_head(struct iommucheck_event* head, uint64_t size,
                                          uint32_t kind, uint32_t agent, uint64_t known) {
  head->size = known & IOMMUCHECK_KNOWN_ORIGIN ? 0 : (uint32_t)size;
  head->abi = IOMMUCHECK_MONITOR_ABI;
  head->kind = kind;
  head->agent = agent;
  head->known = known;
  head->origin = 0;
}
static inline int iommucheck_report_call(struct iommucheck_monitor* monitor, uint32_t agent,
                                         uint64_t id, uint64_t call,
                                         struct iommucheck_arguments* arguments, uint64_t size,
                                         uint64_t known) {
  struct iommucheck_event_call it = {{0, 0, 0, 0, 0, 0}, 0, 0, 0, 0, 0};
  iommucheck_report_head(&it.head, sizeof it, IOMMUCHECK_EVENT_CALL, agent, 0);
  it.id = id;
  it.call = call;
  it.arguments = arguments;
  arguments->size = (uint32_t)size;
  arguments->abi = IOMMUCHECK_MONITOR_ABI;
  arguments->known = known;
  return iommucheck_monitor_report(monitor, &it.head);
}
)";

}  // namespace

std::string c_words_header() {
  return fmt::format(fmt::runtime(generated),
                     "iommucheck/words.h - words that have numbers, for driver.h and monitor.h.\n"
                     " * A number never changes and is never given twice.") +
         "#ifndef IOMMUCHECK_WORDS_H\n#define IOMMUCHECK_WORDS_H\n" + words() +
         "\n#endif /* IOMMUCHECK_WORDS_H */\n";
}

std::string c_events_header() {
  std::string out = fmt::format(
      fmt::runtime(generated),
      "iommucheck/monitor_events.h - every event and the arguments of every call as structs.\n"
      " * Included by iommucheck/monitor.h, which says what holds for all of them. Every member "
      "has\n"
      " * 8 bytes. A comment that begins with \"?\" marks a fact: it counts only with its bit in\n"
      " * `known`.");
  out +=
      "#ifndef IOMMUCHECK_MONITOR_EVENTS_H\n#define IOMMUCHECK_MONITOR_EVENTS_H\n\n"
      "#ifndef IOMMUCHECK_MONITOR_H\n#error \"include iommucheck/monitor.h\"\n#endif\n\n"
      "/* Items of lists: these never change. */\n"
      "struct iommucheck_word_at { uint64_t pa, value; };\n"
      "struct iommucheck_range { uint64_t base, length; };\n"
      "struct iommucheck_command_words { uint64_t low, high; };\n";
  out += kinds();
  for (const Record& record : records()) out += struct_text(record);
  return out + "\n#endif /* IOMMUCHECK_MONITOR_EVENTS_H */\n";
}

std::string c_report_header() {
  std::string out = fmt::format(
      fmt::runtime(generated),
      "iommucheck/monitor_report.h - every event as a function, for those who like arguments\n"
      " * better than structs. They are no part of the library: each fills the struct of its event "
      "and\n"
      " * gives it to iommucheck_monitor_report, whose answer it returns. A bit of `known` says "
      "which "
      "of\n"
      " * the arguments are facts. Languages that import C functions (DPI of SystemVerilog) need "
      "them\n"
      " * compiled once:\n"
      " *     #define IOMMUCHECK_REPORT\n"
      " *     #include <iommucheck/monitor_report.h>");
  out += report_begin;
  for (const Record& record : records()) {
    if (record.kind != "IOMMUCHECK_EVENT_CALL") out += "\n" + function_text(record);
  }
  return out + "\n#ifdef __cplusplus\n}\n#endif\n\n#endif /* IOMMUCHECK_MONITOR_REPORT_H */\n";
}

}  // namespace iommucheck::trace
