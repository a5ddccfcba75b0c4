// SPDX-License-Identifier: MIT
#include "conform/afresh.h"

#include <algorithm>
#include <iterator>
#include <variant>

#include "spec/smmu/command.h"
#include "spec/smmu/event_record.h"
#include "spec/smmu/registers.h"

namespace iommucheck::oracle {

namespace {

bool changes_memory(StepKind kind) { return kind == StepKind::store || kind == StepKind::fill; }

}  // namespace

Case afresh(const Case& what, const AfreshAt& at) {
  Case fresh = first_steps(what, std::min(what.fixed, at.step));
  fresh.fixed = fresh.steps.size();
  for (std::size_t i = fresh.fixed; i < std::min(at.memory, at.step); ++i) {
    if (changes_memory(what.steps[i].kind)) fresh.steps.push_back(what.steps[i]);
  }
  for (std::size_t i = fresh.fixed; i < at.step; ++i) {
    const StepKind kind = what.steps[i].kind;
    if (!changes_memory(kind) && !is_access(kind)) fresh.steps.push_back(what.steps[i]);
  }
  fresh.steps.push_back(what.steps[at.step]);
  return fresh;
}

Case in_company(const Case& what, const AfreshAt& at) {
  Case fresh = first_steps(what, std::min(what.fixed, at.step));
  for (const bool memory : {true, false}) {
    const std::size_t end = memory ? std::min(at.memory, at.step) : at.step;
    for (std::size_t i = what.fixed; i < end; ++i) {
      if (changes_memory(what.steps[i].kind) == memory) fresh.steps.push_back(what.steps[i]);
    }
  }
  fresh.fixed = std::min(what.fixed, at.step);
  fresh.steps.push_back(what.steps[at.step]);
  return fresh;
}

Case emptied(const Case& what, std::size_t step, Cached cached, const DeviceIdentity& device) {
  Case result = first_steps(what, step);
  const auto add = [&](const spec::Command& command) {
    const spec::CommandWords words = spec::encode_command(command);
    result.steps.push_back({StepKind::command, words.dw0, words.dw1});
  };
  if (cached == Cached::structures) {
    add(spec::cmd_cfgi_all());
  } else {
    add(spec::cmd_tlbi_nsnh_all());
    if (spec::parse_capabilities(device.id).hyp) add({.op = spec::Opcode::tlbi_el2_all});
  }
  result.steps.push_back({StepKind::sync});
  result.steps.push_back(what.steps[step]);
  return result;
}

std::vector<std::size_t> earlier_memories(const Case& what, std::size_t step, std::size_t most) {
  const auto first = std::ranges::find_if(what.steps, is_access, &Step::kind);
  const auto begin = static_cast<std::size_t>(first - what.steps.begin());
  std::vector<std::size_t> earlier;
  for (std::size_t i = step; i-- > begin && earlier.size() < most;) {
    if (changes_memory(what.steps[i].kind)) earlier.push_back(i);
  }
  return earlier;
}

Case first_steps(const Case& what, std::size_t end) {
  Case first = what;
  first.steps.resize(std::min(end, what.steps.size()));
  first.fixed = std::min(what.fixed, first.steps.size());
  return first;
}

std::size_t last_access(const trace::Trace& trace) {
  for (std::size_t i = trace.events.size(); i-- != 0;) {
    const auto& payload = trace.events[i].payload;
    if (std::holds_alternative<trace::Dma>(payload) ||
        std::holds_alternative<trace::AtsRequest>(payload)) {
      return i;
    }
  }
  return trace.events.size();
}

std::vector<spec::EventType> record_types(const trace::Trace& trace) {
  std::vector<spec::EventType> types;
  for (const trace::Event& event : trace.events) {
    const auto* record = std::get_if<trace::EventRecorded>(&event.payload);
    if (record != nullptr && record->record) types.push_back(spec::event_type_of(*record->record));
  }
  std::ranges::sort(types);
  return types;
}

std::vector<spec::EventType> types_beyond(const std::vector<spec::EventType>& all,
                                          const std::vector<spec::EventType>& others) {
  std::vector<spec::EventType> beyond;
  std::ranges::set_difference(all, others, std::back_inserter(beyond));
  return beyond;
}

}  // namespace iommucheck::oracle
