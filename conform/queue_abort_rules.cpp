// SPDX-License-Identifier: MIT
#include "conform/queue_abort_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/bits.h"
#include "monitor/device_rules.h"
#include "spec/rules/commands.h"
#include "spec/rules/records.h"
#include "spec/smmu/event_rules.h"
#include "spec/smmu/queue.h"

namespace iommucheck::oracle {

namespace {

namespace reg = spec::reg;
using spec::Outcome;
using spec::Rule;
namespace rule = spec::rule;

/// "In finite time".
constexpr unsigned reads_max = 8;
constexpr u64 cerror_abt = 2;

struct Shown {
  u64 by;
  const char* name;
  const char* what;
  Rule rule;
};
constexpr std::array<Shown, 3> shown_as = {
    {{spec::gerror::cmdq_err, "CMDQ_ERR", "a command that cannot be fetched",
      rule::COMMAND_ERROR_STOPS},
     {spec::gerror::eventq_abt_err, "EVENTQ_ABT_ERR", "a record that cannot be written",
      rule::EVENT_LOST},
     {spec::gerror::priq_abt_err, "PRIQ_ABT_ERR", "a page request that cannot be recorded",
      rule::PAGE_REQUEST_RECORD}}};

}  // namespace

void QueueAbortRules::begin() {
  state_ = {};
  cr0_ = cr0_settled_ = gerror_ = gerrorn_ = prod_ = cons_ = shown_ = 0;
}

bool QueueAbortRules::is_on(u64 fields) const { return (cr0_ & cr0_settled_ & fields) == fields; }

bool QueueAbortRules::is_active(Queue queue) const {
  return ((gerror_ ^ gerrorn_) & shown_as[queue].by) != 0;
}

std::optional<Finding> QueueAbortRules::feed(const trace::Event& event) {
  if (absent_bytes_ == 0) return std::nullopt;
  if (const auto* written = std::get_if<trace::MmioWrite>(&event.payload)) {
    write(*written);
  } else if (const auto* seen = std::get_if<trace::MmioRead>(&event.payload)) {
    return read(*seen);
  } else if (const auto* dma = std::get_if<trace::Dma>(&event.payload)) {
    access(*dma);
  } else if (std::holds_alternative<trace::PageRequest>(event.payload)) {
    State& its = state_[pages];
    its.due |= its.aborts && !is_active(pages) && is_on(spec::cr0::smmuen | spec::cr0::priqen);
  }
  return std::nullopt;
}

void QueueAbortRules::write(const trace::MmioWrite& write) {
  const auto placed = [&](Queue queue) {
    const u64 base = write.value & mask(51, 5);
    state_[queue] = {.aborts = write.size == 8 && base - absent_first_ < absent_bytes_};
  };
  switch (static_cast<u32>(write.offset)) {
    case reg::cmdq_base: placed(commands); break;
    case reg::eventq_base: placed(events); break;
    case reg::priq_base: placed(pages); break;
    case reg::cr0:
      cr0_settled_ &= ~(cr0_ ^ write.value);
      cr0_ = write.value;
      break;
    case reg::cmdq_prod: prod_ = write.value & spec::queue_index_mask; break;
    case reg::cmdq_cons: cons_ = write.value & spec::queue_index_mask; break;
    case reg::gerrorn:
      gerrorn_ = write.value;
      for (State& its : state_) its.reads = 0;
      break;
    default: return;
  }
  commands_may_be_due();
}

/// It is fetched when the queue is not empty, and again when the error is acknowledged.
void QueueAbortRules::commands_may_be_due() {
  State& its = state_[commands];
  its.due = its.aborts && prod_ != cons_ && is_on(spec::cr0::cmdqen) && !is_active(commands);
}

/// One that surely has a record: by each outcome that is allowed, and none waits. IHI 0070 7.2.
void QueueAbortRules::access(const trace::Dma& dma) {
  State& its = state_[events];
  if (!its.aborts || dma.result != trace::DmaResult::abort || is_active(events)) return;
  if (!is_on(spec::cr0::eventqen | spec::cr0::smmuen)) return;
  if (dma.kind == trace::TransactionKind::translated) return;
  const spec::Access access = access_in(dma);
  std::vector<Outcome> allowed;
  if (!caches_.outcomes(access, [&](const Outcome& o) { allowed.push_back(o); })) return;
  its.due |= !allowed.empty() && std::ranges::all_of(allowed, [&](const Outcome& o) {
    return o.kind == spec::OutcomeKind::fault && !o.stalled() &&
           spec::has_record(access, o, smmu_.recinvsid());
  });
}

std::optional<Finding> QueueAbortRules::read(const trace::MmioRead& read) {
  switch (static_cast<u32>(read.offset)) {
    case reg::cr0ack:
      cr0_settled_ |= ~(cr0_ ^ read.value);
      commands_may_be_due();
      return std::nullopt;
    case reg::gerror: return gerror_read(read.value);
    case reg::cmdq_cons: return cons_read(read.value);
    default: return std::nullopt;
  }
}

std::optional<Finding> QueueAbortRules::gerror_read(u64 value) {
  gerror_ = value;
  for (const Queue queue : {commands, events, pages}) {
    State& its = state_[queue];
    if (!its.due) continue;
    const Shown& how = shown_as[queue];
    if (is_active(queue)) {
      its.due = false;
      its.reads = 0;
      ++shown_;
      continue;
    }
    if (++its.reads != reads_max) continue;
    const std::string kind = fmt::format("GERROR.{} does not show {}", how.name, how.what);
    return device_finding(how.rule, kind,
                          fmt::format("{}: the queue lies where no memory is, and GERROR is "
                                      "{:#x} after {} reads, GERRORN {:#x}",
                                      kind, value, reads_max, gerrorn_));
  }
  return std::nullopt;
}

/// Aborts of fetches are synchronous: CMDQ_CONS stays, and has the code once GERROR shows it. IHI
/// 0070 7.1.
std::optional<Finding> QueueAbortRules::cons_read(u64 value) {
  if (!state_[commands].aborts || !is_on(spec::cr0::cmdqen)) return std::nullopt;
  if ((value & spec::queue_index_mask) != cons_) {
    const std::string kind = "a command is consumed that cannot be fetched";
    return device_finding(
        rule::COMMAND_ERROR_STOPS, kind,
        fmt::format("{}: the command queue lies where no memory is, and CMDQ_CONS is {:#x}", kind,
                    value));
  }
  const u64 code = spec::cmdq_cons_err(static_cast<u32>(value));
  if (!is_active(commands) || code == cerror_abt) return std::nullopt;
  const std::string kind = "CMDQ_CONS.ERR is not CERROR_ABT for a command that cannot be fetched";
  return device_finding(rule::COMMAND_ERROR_STOPS, kind, fmt::format("{}: it is {}", kind, code));
}

}  // namespace iommucheck::oracle
