// SPDX-License-Identifier: MIT
#include "monitor/dma_in_flight.h"

#include <fmt/format.h>

#include <algorithm>

#include "monitor/trace_feeder.h"
#include "spec/rules/protocol.h"
#include "spec/smmu/registers.h"
#include "trace/agent.h"

namespace iommucheck::oracle {

namespace {

using spec::AccessType;
using spec::Outcome;
using spec::OutcomeKind;
using trace::DmaResult;

constexpr std::size_t in_flight_max = 256;
constexpr std::size_t met_max = 64;

bool passes(DmaResult result) { return result == DmaResult::ok || result == DmaResult::bypass; }

/// Indices of queues, acknowledgements of errors, interrupts: no access goes otherwise by them.
bool is_of_queues(u64 offset) {
  namespace reg = spec::reg;
  return offset == reg::cmdq_prod || offset == reg::cmdq_cons || offset == reg::eventq_cons ||
         offset == reg::priq_cons || offset == reg::gerrorn ||
         reg::is_page0_index(static_cast<u32>(offset)) ||
         (offset >= reg::irq_ctrl && offset < reg::gerror) ||
         (offset >= reg::gerror_irq_cfg0 && offset < reg::strtab_base) ||
         (offset >= reg::eventq_irq_cfg0 && offset < reg::priq_base) ||
         (offset >= reg::priq_irq_cfg0 && offset < reg::priq_irq_cfg2 + 4);
}

}  // namespace

trace::Dma access_of(const trace::DmaBegin& begin) {
  trace::Dma dma;
  dma.sid = begin.sid;
  dma.ssid = begin.ssid;
  dma.iova = begin.iova;
  dma.direction = begin.direction;
  dma.privileged = begin.privileged;
  dma.length = begin.length;
  dma.kind = begin.kind;
  dma.iommu = begin.iommu;
  return dma;
}

bool changes_more_than_memory(const trace::Event& event) {
  if (const auto* write = std::get_if<trace::MmioWrite>(&event.payload)) {
    return !is_of_queues(write->offset);
  }
  if (const auto* read = std::get_if<trace::MmioRead>(&event.payload)) {
    return read->offset == spec::reg::cr0ack || read->offset == spec::reg::gbpa;
  }
  return std::holds_alternative<trace::EndpointAts>(event.payload);
}

trace::Dma DmaInFlight::ended(const trace::DmaEnd& end) const {
  trace::Dma dma = access;
  dma.result = end.result;
  dma.pa = end.pa;
  dma.rights = end.rights;
  dma.attributes = end.attributes;
  dma.shareability = end.shareability;
  dma.stag = end.stag;
  return dma;
}

void DmaInFlight::may_meet(AccessType type, const Outcome& outcome, EventIndex now) {
  const auto known = std::ranges::find_if(
      met, [&](const Met& one) { return one.type == type && one.outcome.same(outcome); });
  if (known != met.end()) {
    known->last = now;
  } else if (met.size() < met_max) {
    met.push_back({type, outcome, now});
  } else {
    too_many = true;
  }
}

EventIndex DmaInFlight::last_seen(const trace::Dma& dma) const {
  EventIndex last = 0;
  for (const Met& one : met) {
    if (is_seen(one.outcome, dma)) last = std::max(last, one.last);
  }
  return last;
}

std::string DmaInFlight::words_of_end(const trace::Dma& dma) const {
  const EventIndex last = last_seen(dma);
  return fmt::format(" where it ended; it began at event {}, {}", began,
                     last == 0 ? std::string("and never could")
                               : fmt::format("and could until event {}: a CMD_SYNC behind which "
                                             "that is gone waits for it",
                                             last));
}

// ---- in a trace ---------------------------------------------------------------------------------

void TraceFeeder::access_begins(const trace::DmaBegin& begin) {
  window_ends();
  tick();
  emit(trace::device_agent(0), begin);
  if (hardware_) return undetermined("accesses in flight of other hardware than an SMMUv3");
  const auto has_id = [&](const DmaInFlight& one) { return one.id == begin.dma; };
  if (std::ranges::any_of(fed_.in_flight, has_id)) {
    return undetermined("which of two accesses of one number in flight");
  }
  if (fed_.in_flight.size() == in_flight_max) {
    return undetermined("what more accesses are in flight than are followed");
  }
  DmaInFlight flight;
  flight.id = begin.dma;
  flight.access = access_of(begin);
  flight.began = case_.now;
  check_dma_duty(access_in(flight.access));
  if (device_rules_) device_rules_->access_begins(flight.access);
  fed_.in_flight.push_back(std::move(flight));
  fed_.in_flight_seen.reset();
}

/// Behind an event: what is in flight may meet what there is now.
void TraceFeeder::look_at_in_flight(const trace::Event& event) {
  if (changes_more_than_memory(event)) {
    for (DmaInFlight& one : fed_.in_flight) one.unsettled = true;
  }
  const std::pair state{trail().mark(), trail().generation()};
  if (fed_.in_flight_seen == state) return;
  for (DmaInFlight& one : fed_.in_flight) {
    spec::Access access = routed_access_in(one.access);
    for (const AccessType type : types_of(one.access)) {
      access.type = type;
      const bool done = caches_.outcomes(
          access, [&](const Outcome& outcome) { one.may_meet(type, outcome, case_.now); });
      one.too_many |= !done;
    }
  }
  fed_.in_flight_seen = state;
}

void TraceFeeder::access_ends(const trace::DmaEnd& end) {
  window_ends();
  tick();
  emit(trace::device_agent(0), end);
  const auto at = std::ranges::find(fed_.in_flight, end.dma, &DmaInFlight::id);
  if (at == fed_.in_flight.end()) return undetermined("the begin of the access that ends");
  const DmaInFlight flight = std::move(*at);
  fed_.in_flight.erase(at);
  const trace::Dma dma = flight.ended(end);
  const bool now = is_allowed(dma);
  const bool before = flight.last_seen(dma) != 0;
  // Caches that are not there keep nothing: what goes with a store was not waited for.
  const spec::Profile& profile = caches_.profile();
  const bool all_caches = profile.caches_config && profile.caches_walks && profile.caches_leaves;
  const bool open =
      flight.too_many || (before && passes(dma.result) && (flight.unsettled || !all_caches));
  if (!now && open) return undetermined("how an access in flight goes on where more changes");
  if (!now && before && !passes(dma.result)) {
    count_judged();
    return count(spec::rule::DEVICE_OUTCOME);
  }
  judge_access(dma, &flight);
}

}  // namespace iommucheck::oracle
