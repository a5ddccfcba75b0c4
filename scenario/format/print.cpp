// SPDX-License-Identifier: MIT
#include "scenario/format/print.h"

#include <fmt/format.h>

namespace iommucheck::scenario {
namespace {

std::string list_of(const Values& values, std::string_view between) {
  std::string text;
  for (const Value& value : values) {
    if (!text.empty()) text += between;
    text += print(value);
  }
  return text;
}

std::string number_text(u64 number, bool hex) {
  return hex ? fmt::format("{:#x}", number) : fmt::format("{}", number);
}

std::string names_of(const std::vector<Name>& names) {
  std::string text;
  for (const Name& name : names) text += " " + name.text;
  return text;
}

std::string text_of(const Declare& declare) {
  constexpr std::string_view words[] = {"world", "dev", "page", "run", "huge", "proc"};
  std::string text(words[static_cast<std::size_t>(declare.kind)]);
  text += names_of(declare.names);
  if (declare.kind == Declare::Kind::run) text += fmt::format(" {}", declare.count);
  for (const Setting& setting : declare.settings) {
    text += fmt::format(" {}={}", setting.key.text, setting.value.text);
  }
  return text;
}

std::string text_of(const Change& change) {
  constexpr std::string_view words[] = {"mmap", "munmap", "mprotect", "upt", "upt_clear"};
  std::string text = fmt::format("{} {} {}", words[static_cast<std::size_t>(change.kind)],
                                 change.object.text, print(change.at));
  if (change.to) text += " " + print(*change.to);
  if (!change.prot.empty()) text += " " + change.prot;
  return text;
}

std::string text_of(const UserEntry& entry) {
  return fmt::format("ucd {} {} {}", entry.table.text, print(entry.pasid), entry.entry.text);
}

std::string pasid_text(const std::optional<Value>& pasid) {
  return pasid ? "." + print(*pasid) : std::string();
}

std::string text_of(const Probe& probe) {
  constexpr std::string_view words[] = {"?", "?sid", "?walk", "?gpu"};
  std::string text = fmt::format("{} {}{}", words[static_cast<std::size_t>(probe.kind)],
                                 probe.target.text, pasid_text(probe.pasid));
  if (probe.kind == Probe::Kind::stream) text += fmt::format(" {}", probe.stream);
  return text + fmt::format(" {} {} -> {}", print(probe.iova), probe.access, print(probe.outcomes));
}

std::string text_of(const Dma& dma) {
  return fmt::format("{}dma {}{} {} {} g={} last={} -> {}",
                     dma.result_name ? dma.result_name->text + " = " : "", dma.device.text,
                     pasid_text(dma.pasid), print(dma.iova), dma.access, dma.group,
                     dma.last ? 1 : 0, print(dma.outcomes));
}

std::string text_of(const Check& check) {
  using Kind = Check::Kind;
  const Values& values = check.values;
  switch (check.kind) {
    case Kind::mark: return "mark";
    case Kind::same: return "same";
    case Kind::blame: return "blame " + print(values[0]);
    case Kind::hw: return "hw " + print(values[0]);
    case Kind::callbacks: return "cb -> " + (values.empty() ? "none" : list_of(values, " & "));
    case Kind::hook: return "hook " + list_of(values, " ");
    case Kind::hooks_balance: return "hooks_balance -> " + print(values[0]);
    case Kind::leaks: return "leaks -> " + (values.empty() ? "none" : list_of(values, " "));
    case Kind::asid_pinned:
      return fmt::format("asid_pinned {} -> {}", print(values[0]), print(values[1]));
    case Kind::cpu_asid_collides: return "cpu_asid_collides " + list_of(values, " ");
    case Kind::distinct: return "distinct " + list_of(values, " ");
    case Kind::same_format: return "same_format " + list_of(values, " ");
    case Kind::draw: return "draw -> " + list_of(values, " ");
    case Kind::bound_passes: return "bound_passes";
    case Kind::stuck: return values.empty() ? "stuck" : "stuck after " + print(values[0]);
    case Kind::unstuck: return "unstuck";
    case Kind::recover: return values.empty() ? "recover" : "recover -> " + print(values);
  }
  return {};
}

std::string text_of(const Resume& resume) { return print(resume.results); }

std::string text_of(const Invoke& invoke) { return print(invoke); }

std::string text_of(const Race& race) {
  const auto part = [](const Action& action) {
    return std::visit([](const auto& what) { return text_of(what); }, action);
  };
  return fmt::format("race {} {} -> {}", part(race.first), part(race.second), print(race.results));
}

}  // namespace

std::string print(const Value& value) {
  switch (value.kind) {
    case Value::Kind::number: return number_text(value.number, value.hex);
    case Value::Kind::word:
      return value.plus ? value.word + "+" + number_text(value.number, value.hex) : value.word;
    case Value::Kind::list: return "[" + list_of(value.items, ", ") + "]";
    case Value::Kind::term: return value.word + "(" + list_of(value.items, ", ") + ")";
    case Value::Kind::tuple: return "(" + list_of(value.items, ", ") + ")";
    case Value::Kind::pair:
      return print(value.items[0]) + std::string(1, value.mark) + print(value.items[1]);
  }
  return {};
}

std::string print(const Values& alternatives) { return list_of(alternatives, " | "); }

std::string print(const Invoke& invoke) {
  std::string text;
  if (invoke.inside) {
    text += fmt::format("in mm_exit({}, {}): ", invoke.inside->device.text,
                        print(invoke.inside->pasid));
  }
  if (invoke.memory == Invoke::Memory::each_alloc) text += "each-alloc ";
  if (invoke.memory == Invoke::Memory::none) text += "no-memory ";
  if (invoke.result_name) text += invoke.result_name->text + " = ";
  text += invoke.call.text + "(" + list_of(invoke.arguments, ", ") + ")";
  if (!invoke.results.empty()) text += " -> " + print(invoke.results);
  return text;
}

std::string print(const Step& step) {
  const std::string body = std::visit([](const auto& what) { return text_of(what); }, step.what);
  if (std::holds_alternative<Resume>(step.what)) return step.thread.text + " -> " + body;
  return step.thread.text.empty() ? body : step.thread.text + ": " + body;
}

std::string print(const Scenario& scenario) {
  std::string text = "@ " + scenario.id;
  if (!scenario.keys.empty()) text += " " + scenario.keys;
  if (!scenario.title.empty()) text += " " + scenario.title;
  for (const Step& step : scenario.steps) text += "\n  " + print(step);
  return text + "\n";
}

std::string print(const File& file) {
  std::string text;
  for (const Scenario& scenario : file.scenarios) {
    text += (text.empty() ? "" : "\n") + print(scenario);
  }
  return text;
}

}  // namespace iommucheck::scenario
