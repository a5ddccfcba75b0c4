// SPDX-License-Identifier: MIT
// Operations as lines of text.
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>

#include "operations/operation.h"

namespace iommucheck::fuzz {
namespace {

using Names = std::span<const std::string_view>;

constexpr std::string_view kind_names[] = {"map",
                                           "unmap",
                                           "unmap_fast",
                                           "iotlb_sync",
                                           "flush_iotlb_all",
                                           "tlb_range_add",
                                           "iova_to_phys",
                                           "access",
                                           "domain_alloc",
                                           "domain_free",
                                           "attach",
                                           "detach",
                                           "map_sg",
                                           "sva_init",
                                           "sva_shutdown",
                                           "bind",
                                           "unbind",
                                           "unbind_all",
                                           "sva_query",
                                           "pasid_alloc",
                                           "pasid_free",
                                           "sva_alloc",
                                           "sva_free",
                                           "process_map",
                                           "process_unmap",
                                           "process_protect",
                                           "process_fork",
                                           "process_exit",
                                           "handler_return",
                                           "queue",
                                           "remove",
                                           "dynamic_alloc",
                                           "gpu_switch",
                                           "gpu_flush",
                                           "task_bind",
                                           "task_unbind",
                                           "faults",
                                           "link",
                                           "attach_pasid",
                                           "hardware",
                                           "dirty",
                                           "user"};
static_assert(std::size(kind_names) == static_cast<std::size_t>(OperationKind::count));

constexpr std::string_view aims[] = {"absolute", "start", "inside", "behind"};
constexpr std::string_view windows[] = {"low",      "around_2m", "around_1g", "around_512g",
                                        "spots_2m", "spots_1g",  "high",      "odd"};
constexpr std::string_view sizes[] = {"4K", "8K",    "12K", "32K", "60K",   "64K",   "68K", "2M-4K",
                                      "2M", "2M+4K", "4M",  "1G",  "1G+2M", "whole", "0",   "2K"};
constexpr std::string_view pas[] = {"congruent_1g", "congruent_2m", "page", "odd"};
constexpr std::string_view prots[] = {"rw",        "r",   "w", "rx", "rwx", "rw,privileged",
                                      "rw,device", "none"};
constexpr std::string_view accesses[] = {
    "read",           "write", "execute", "read,privileged", "write,privileged", "read,substream0",
    "read,many_times"};
constexpr std::string_view allocs[] = {"paging",   "paging,39", "paging,25", "blocked",
                                       "identity", "bad_bits",  "stage2"};
constexpr std::string_view picks[] = {"fitting", "selected"};
constexpr std::string_view features[] = {"all",  "private",     "iopf",
                                         "none", "not_its_own", "unknown"};
constexpr std::string_view ranges[] = {"any",    "small", "two",    "one",
                                       "from_0", "high",  "beyond", "reversed"};
constexpr std::string_view handlers[] = {"present", "null"};
constexpr std::string_view binds[] = {"fitting", "further", "selected", "bad_flags"};
constexpr std::string_view all_queries[] = {"drvdata",    "io_mm_of",    "pasid_of",
                                            "io_mm_attr", "domain_attr", "other"};
constexpr Names queries = Names(all_queries).first(static_cast<std::size_t>(Query::count));
constexpr std::string_view exits[] = {"fitting", "selected", "exec"};
constexpr std::string_view returns[] = {"done", "error", "bound_passes"};
constexpr std::string_view queues[] = {"stuck", "recover"};
constexpr std::string_view switches[] = {"table", "master"};
constexpr std::string_view task_binds[] = {"explicit", "svm", "bad_flags"};
constexpr std::string_view fault_kinds[] = {"open", "read", "answer", "late", "close", "fault"};
constexpr std::string_view links[] = {"attach", "detach", "selected"};
constexpr std::string_view hardware_kinds[] = {"pace",        "stop",       "stop_sync", "refuse",
                                               "acknowledge", "interrupts", "abort"};
constexpr std::string_view user_kinds[] = {"table",  "entry",  "commands",
                                           "number", "access", "events"};
constexpr std::string_view dirty_kinds[] = {"clear", "keep", "on", "off", "arguments"};
constexpr std::string_view looks[] = {"0",  "1",  "2",  "3",  "4",   "6",   "8",       "12",   "16",
                                      "24", "32", "48", "64", "100", "128", "queue-1", "queue"};
constexpr std::string_view domains[] = {"0", "1", "2", "3", "4", "5", "6", "7", "of_device"};

template <class E>
constexpr bool named(Names names) {
  return names.size() == static_cast<std::size_t>(E::count);
}
static_assert(named<Aim>(aims) && named<Window>(windows) && named<Size>(sizes) && named<Pa>(pas) &&
              named<Prot>(prots) && named<AccessKind>(accesses) && named<AllocKind>(allocs) &&
              named<Pick>(picks) && named<Features>(features) && named<PasidRange>(ranges) &&
              named<Handler>(handlers) && named<BindKind>(binds) && named<Query>(queries) &&
              named<ExitKind>(exits) && named<HandlerReturn>(returns) && named<QueueKind>(queues) &&
              named<Switch>(switches) && named<TaskBind>(task_binds) &&
              named<FaultKind>(fault_kinds) && named<LinkKind>(links) &&
              named<AttachPasid>(links) && named<HardwareKind>(hardware_kinds) &&
              named<DirtyKind>(dirty_kinds) && named<UserKind>(user_kinds) &&
              std::size(domains) == domain_of_device + 1);

/// Names of the values of a field; empty: it is a number.
Names names_of(OperationKind kind, std::string_view field) {
  if (field == "domain") return domains;
  if (field == "aim") return aims;
  if (field == "window") {
    const bool numbers = kind == OperationKind::sva_init || kind == OperationKind::pasid_alloc;
    return numbers ? Names(ranges) : Names(windows);
  }
  if (field == "mapping" && kind == OperationKind::sva_init) return handlers;
  if (field == "size" && kind == OperationKind::hardware) return looks;
  if (field == "size") return sizes;
  if (field == "pa") return pas;
  if (field == "prot") return prots;
  if (field != "variant") return {};
  switch (kind) {
    case OperationKind::access: return accesses;
    case OperationKind::domain_alloc: return allocs;
    case OperationKind::sva_init: return features;
    case OperationKind::bind: return binds;
    case OperationKind::sva_query: return queries;
    case OperationKind::process_exit: return exits;
    case OperationKind::handler_return: return returns;
    case OperationKind::queue: return queues;
    case OperationKind::gpu_switch: return switches;
    case OperationKind::task_bind: return task_binds;
    case OperationKind::faults: return fault_kinds;
    case OperationKind::link:
    case OperationKind::attach_pasid: return links;
    case OperationKind::hardware: return hardware_kinds;
    case OperationKind::dirty: return dirty_kinds;
    case OperationKind::user: return user_kinds;
    default: return picks;
  }
}

/// What a field is called in lines of the kind.
std::string_view field_name(OperationKind kind, const FieldInfo& field) {
  if (kind != OperationKind::hardware) return field.name;
  if (field.member == &Operation::mapping) return "commands";
  if (field.member == &Operation::size) return "looks";
  return field.member == &Operation::page ? "at" : field.name;
}

std::optional<u16> find_name(Names names, std::string_view text) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == text) return static_cast<u16>(i);
  }
  return std::nullopt;
}

std::optional<u16> read_number(std::string_view text) {
  int base = 10;
  if (text.starts_with("0x")) {
    text.remove_prefix(2);
    base = 16;
  }
  u16 value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

/// The next word from `at` on, and where it began (from 0).
struct Word {
  std::string_view text;
  std::size_t column = 0;
};

std::optional<Word> next_word(std::string_view line, std::size_t& at) {
  while (at < line.size() && (line[at] == ' ' || line[at] == '\t' || line[at] == '\r')) ++at;
  if (at == line.size()) return std::nullopt;
  const std::size_t begin = at;
  while (at < line.size() && line[at] != ' ' && line[at] != '\t' && line[at] != '\r') ++at;
  return Word{line.substr(begin, at - begin), begin};
}

std::string list_of(Names names) {
  std::string text;
  for (const std::string_view name : names)
    text += fmt::format("{}{}", text.empty() ? "" : " ", name);
  return text;
}

/// Reads "key=value" into the operation; the reason if it cannot.
std::optional<std::string> read_field(Operation& operation, std::string_view word, u32& seen) {
  const std::size_t equals = word.find('=');
  if (equals == std::string_view::npos) return "is no field; write key=value";
  const std::string_view key = word.substr(0, equals);
  const std::string_view text = word.substr(equals + 1);
  const auto fields = operation_fields();
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (field_name(operation.kind, fields[i]) != key || !uses(operation.kind, fields[i])) continue;
    if (((seen >> i) & 1) != 0) return "is given twice";
    seen |= u32{1} << i;
    const Names names = names_of(operation.kind, fields[i].name);
    const auto value = names.empty() ? read_number(text) : find_name(names, text);
    const u16 count = value_count(operation.kind, fields[i]);
    if (value && *value < count) {
      operation.*fields[i].member = *value;
      return std::nullopt;
    }
    return names.empty() ? fmt::format("is no number from 0 to {}", count - 1)
                         : fmt::format("has none of the values {}", list_of(names.first(count)));
  }
  std::string theirs;
  for (const FieldInfo& field : fields) {
    if (!uses(operation.kind, field)) continue;
    theirs += fmt::format("{}{}", theirs.empty() ? "" : ", ", field_name(operation.kind, field));
  }
  return fmt::format("is no field of {}, which has {}", to_string(operation.kind),
                     theirs.empty() ? "none" : theirs);
}

}  // namespace

std::string_view to_string(OperationKind kind) {
  const auto index = static_cast<std::size_t>(kind);
  return index < std::size(kind_names) ? kind_names[index] : "?";
}

std::string print(const Operation& given) {
  const Operation operation = normalised(given);
  std::string text(to_string(operation.kind));
  for (const FieldInfo& field : operation_fields()) {
    const u16 value = operation.*field.member;
    if (value == 0) continue;
    const std::string_view name = field_name(operation.kind, field);
    const Names names = names_of(operation.kind, field.name);
    if (!names.empty()) {
      text += fmt::format(" {}={}", name, names[value]);
    } else if (field.name == "choices") {
      text += fmt::format(" {}={:#x}", name, value);
    } else {
      text += fmt::format(" {}={}", name, value);
    }
  }
  return text;
}

std::string print(std::span<const Operation> operations) {
  std::string text;
  for (const Operation& operation : operations) text += print(operation) + "\n";
  return text;
}

Expected<Operation> parse_operation(std::string_view line, std::string_view name, u64 number) {
  const auto error = [&](std::size_t column, std::string_view word, std::string_view what) {
    return fail(ErrorCode::bad_input,
                fmt::format("{}:{}:{}: '{}' {}", name, number, column + 1, word, what));
  };
  std::size_t at = 0;
  const auto kind_word = next_word(line, at);
  if (!kind_word) return error(0, "", "is no operation; write its kind and its fields");
  const auto kind = find_name(kind_names, kind_word->text);
  if (!kind) {
    return error(kind_word->column, kind_word->text,
                 fmt::format("is no kind of operation; there are {}", list_of(kind_names)));
  }
  Operation operation;
  operation.kind = static_cast<OperationKind>(*kind);
  u32 seen = 0;
  while (const auto word = next_word(line, at)) {
    if (const auto reason = read_field(operation, word->text, seen)) {
      return error(word->column, word->text, *reason);
    }
  }
  return operation;
}

Expected<std::vector<Operation>> parse_operations(std::string_view text, std::string_view name) {
  std::vector<Operation> operations;
  u64 number = 0;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    ++number;
    const std::size_t first = line.find_first_not_of(" \t\r");
    if (first == std::string_view::npos || line[first] == '#') continue;
    auto operation = parse_operation(line, name, number);
    if (!operation) return std::unexpected(operation.error());
    operations.push_back(*operation);
  }
  return operations;
}

}  // namespace iommucheck::fuzz
