// SPDX-License-Identifier: MIT
// What devices were seen to do, against what the specification allows them.
#include <fmt/format.h>

#include "monitor/trace_feeder.h"
#include "spec/rules/protocol.h"
#include "spec/rules/records.h"
#include "spec/smmu/causes.h"
#include "trace/agent.h"

namespace iommucheck::oracle {

namespace {

using spec::AccessType;
using spec::Outcome;
using spec::OutcomeKind;
using trace::DmaResult;

bool is_permission_fault(const Outcome& outcome) {
  return outcome.kind == OutcomeKind::fault && outcome.event == spec::EventType::f_permission;
}

}  // namespace

std::vector<AccessType> types_of(const trace::Dma& dma) {
  if (dma.direction == trace::Direction::read) return {AccessType::read};
  if (dma.direction == trace::Direction::write) return {AccessType::write};
  if (dma.direction == trace::Direction::execute) return {AccessType::execute};
  return {AccessType::read, AccessType::write};
}

spec::Access routed_access_in(const trace::Dma& dma) {
  spec::Access access = access_in(dma);
  if (dma.kind == trace::TransactionKind::translated) access.route = spec::Route::translated;
  if (dma.kind == trace::TransactionKind::untranslated) access.route = spec::Route::untranslated;
  return access;
}

bool is_seen(const Outcome& o, const trace::Dma& dma) {
  if (o.kind == OutcomeKind::any) return true;
  const bool within = o.kind == OutcomeKind::within;
  switch (dma.result) {
    case DmaResult::ok:
      return within || (o.kind == OutcomeKind::translation && (!dma.pa || *dma.pa == o.pa));
    case DmaResult::bypass: return o.kind == OutcomeKind::bypass;
    case DmaResult::abort:
      return within || o.kind == OutcomeKind::abort || o.kind == OutcomeKind::denied ||
             (o.kind == OutcomeKind::fault && !o.stalled());
    case DmaResult::stall: return within || o.stalled();
    case DmaResult::disable: break;
  }
  return o.kind == OutcomeKind::bypass || o.kind == OutcomeKind::abort;
}

/// The same of now.
bool TraceFeeder::is_seen_now(const Outcome& o, const trace::Dma& dma) const {
  if (dma.result == DmaResult::disable && (smmu_.surely_enabled() || o.kind == OutcomeKind::any)) {
    return false;
  }
  const bool names = dma.result == DmaResult::ok && dma.pa.has_value();
  if (o.kind == OutcomeKind::within && names) return caches_.nested().reaches(o.tag, *dma.pa);
  return is_seen(o, dma);
}

bool TraceFeeder::is_allowed(const trace::Dma& dma) const {
  spec::Access access = routed_access_in(dma);
  const std::vector<AccessType> types = types_of(dma);
  const auto allowed = [&](AccessType type) {
    access.type = type;
    bool seen = false;
    const bool done =
        caches_.outcomes(access, [&](const Outcome& o) { seen |= is_seen_now(o, dma); });
    return seen || !done;
  };
  return dma.direction == trace::Direction::read_write ? std::ranges::all_of(types, allowed)
                                                       : std::ranges::any_of(types, allowed);
}

void TraceFeeder::observe_access(const trace::Dma& dma) {
  window_ends();
  tick();
  emit(trace::device_agent(0), dma);
  if (!device_rules_) check_dma_duty(access_in(dma));
  judge_access(dma, nullptr);
}

TraceFeeder::Comparison TraceFeeder::compare_access(const spec::Access& access,
                                                    const trace::Dma& dma) {
  Comparison seen;
  seen.complete = caches_.outcomes(access, [&](const Outcome& o) {
    const bool same = is_seen_now(o, dma);
    seen.allowed |= same;
    seen.reaches |= same && o.kind != OutcomeKind::any;
    seen.forbidden |= o.kind == OutcomeKind::within || is_permission_fault(o);
    seen.any |= o.kind == OutcomeKind::any;
  });
  if (!seen.complete) give_up_on_access(access);
  return seen;
}

/// No outcome is what was seen: these are.
void TraceFeeder::find_access(spec::Access access, const trace::Dma& dma,
                              const DmaInFlight* flight) {
  const std::vector<AccessType> types = types_of(dma);
  Finding finding =
      finding_of(spec::rule::DEVICE_OUTCOME,
                 fmt::format("the access of stream {:#x} at {:#x} was seen as {}{}", dma.sid,
                             dma.iova, trace::to_string(dma.result),
                             dma.pa ? fmt::format(" at {:#x}", *dma.pa) : std::string()) +
                     (flight != nullptr ? flight->words_of_end(dma) : std::string()));
  finding.where = {.sid = dma.sid, .address = dma.iova};
  if (access.ssv) finding.where.pasid = access.ssid;
  if (types.size() == 1) finding.where.access = types.front();
  for (const AccessType type : types) {
    access.type = type;
    caches_.outcomes(access, [&](const Outcome& o) {
      May may = may_of(o);
      may.because = cause_of(caches_.view(), o);
      if (types.size() > 1) may.as = type;
      finding.hardware.push_back(std::move(may));
    });
  }
  find(std::move(finding));
}

/// The rights of the entry that was used; false: it may use none that has them, which is found.
bool TraceFeeder::judge_rights(const trace::Dma& dma, const Comparison& read,
                               const Comparison& write) {
  const auto fits = [](bool right, const Comparison& seen) {
    return seen.any || (right ? seen.reaches : seen.forbidden);
  };
  if (!fits(dma.rights->read, read) || !fits(dma.rights->write, write)) {
    find(spec::rule::DEVICE_OUTCOME,
         fmt::format("the access of stream {:#x} at {:#x} used an entry with the rights {}; "
                     "allowed is one that {} and {}",
                     dma.sid, dma.iova, trace::to_string(*dma.rights),
                     read.reaches ? "reads" : "does not read",
                     write.reaches ? "writes" : "does not write"));
    return false;
  }
  return true;
}

/// `flight`: of one that took time; nullptr: it is over as it begins.
void TraceFeeder::judge_access(const trace::Dma& dma, const DmaInFlight* flight) {
  if (device_rules_) {
    device_rules_->access(dma);
    gather_device();
    return;
  }
  if (hardware_) return observe_hardware_access(dma);
  spec::Access access = routed_access_in(dma);
  count_judged();
  count(spec::rule::DEVICE_OUTCOME);
  bool complete = true;
  const auto compare = [&](AccessType type) {
    access.type = type;
    const Comparison seen = compare_access(access, dma);
    complete &= seen.complete;
    return seen;
  };
  const std::vector<AccessType> types = types_of(dma);
  if (dma.result == DmaResult::abort || dma.result == DmaResult::stall) {
    fed_.aborted = access;
    fed_.aborted->type = types.front();
  }
  std::size_t allowed_under = 0;
  for (const AccessType type : types) allowed_under += compare(type).allowed ? 1 : 0;
  const bool needs_all = dma.direction == trace::Direction::read_write;
  const bool allowed = needs_all ? allowed_under == types.size() : allowed_under != 0;
  if (!allowed) {
    if (!complete) return;
    if (fed_.left.empty()) return find_access(access, dma, flight);
    return undetermined("what memory holds after the recording lost sight of it");
  }
  const bool passed = dma.result == DmaResult::ok || dma.result == DmaResult::bypass;
  if (passed && dma.direction != trace::Direction::read &&
      dma.direction != trace::Direction::execute) {
    note_write(access, dma.pa, dma.direction.has_value());
  }
  if (dma.rights && dma.result == DmaResult::ok) {
    const Comparison read = compare(AccessType::read);
    const Comparison write = compare(AccessType::write);
    if (!complete || !judge_rights(dma, read, write)) return;
  }
  // What absent facts leave open: e.g. through a read-only entry it is right if it was a read.
  if (!dma.direction && allowed_under < types.size()) {
    undetermined("the direction of the access, through an entry that does not permit both");
  }
  if (recording_ && smmu_.surely_enabled()) {
    access.type = AccessType::read;
    recording_->accessed(access, case_.now);
    gather_late();
  }
}

/// A record of the event queue: some access of now may have it, or one in flight.
void TraceFeeder::observe_record(const trace::EventRecorded& event) {
  emit(trace::smmu_agent(), event);
  if (!event.record) {
    undetermined("the contents of the event record");
    return;
  }
  if (hardware_) return observe_hardware_record(*event.record);
  const std::array<u64, 4>& dw = *event.record;
  smmu_.record_event({.dw = dw, .fixed = {}});
  note_event(spec::Delivery::written, spec::event_sid(dw), dw);
  if (device_rules_) {
    device_rules_->record(dw);
    gather_device();
    return;
  }
  count(spec::rule::EVENT_RECORD);
  const spec::EventType type = spec::event_type_of(dw);
  const spec::Access access = spec::access_in(dw);
  if (const auto stag = spec::stall_in(dw)) {
    smmu_.observe_stall(access.sid, access.ssid, access.ssv, *stag);
    access_stalls(access, dw);
  }
  bool possible = false;
  const auto compare = [&](const spec::Access& one) {
    const bool done = caches_.outcomes(one, [&](const Outcome& outcome) {
      possible |= outcome.kind == OutcomeKind::any || outcome.kind == OutcomeKind::within ||
                  (outcome.kind == OutcomeKind::fault && outcome.event == type);
    });
    if (!done) give_up_on_access(one);
  };
  compare(access);
  // Not every record says all of its access.
  if (!possible && fed_.aborted && fed_.aborted->sid == access.sid) compare(*fed_.aborted);
  for (const DmaInFlight& one : fed_.in_flight) {
    possible |= one.access.sid == access.sid && std::ranges::any_of(one.met, [&](const auto& met) {
                  return met.outcome.kind == OutcomeKind::fault && met.outcome.event == type;
                });
  }
  if (!possible) undetermined("which access the event record belongs to");
}

void TraceFeeder::observe_page_request(const trace::PageRequest& request) {
  window_ends();
  tick();
  const spec::Access access = access_in(request);
  const bool asks = interface_.asks_for_pages(interface_.device_of(request.sid));
  if (!access.ssv && asks) {
    page_requested_untagged(request.sid, request.iova, access.type == spec::AccessType::write,
                            {request.page_group, request.last});
    return;
  }
  if (!access.ssv || !asks) {
    return undetermined("a page request of a device that has none");
  }
  const bool asks_for_nothing =
      request.rights && !request.rights->read && !request.rights->write && !request.rights->execute;
  if (request.last && asks_for_nothing) {
    stop_marker(access.sid, access.ssid);
    return;
  }
  page_requested(access, {request.page_group, request.last});
}

/// One of a trace: it has to be one of those that it may be.
void TraceFeeder::observe_hardware_access(const trace::Dma& dma) {
  const spec::Access access = access_in(dma);
  const auto asked = hardware_->access_of(access);
  if (!asked) return undetermined("the device of the access");
  const std::set<MayGet> may = hardware_->answers(*asked);
  gather_hardware();
  count_judged();
  count(spec::rule::DEVICE_OUTCOME);
  const auto is_it = [&](const MayGet& one) {
    const bool there = !dma.pa || one.kind != MayGet::Kind::address || one.pa == *dma.pa;
    return result_of(one.kind) == dma.result && there;
  };
  if (std::ranges::none_of(may, is_it)) {
    return find(spec::rule::DEVICE_OUTCOME,
                fmt::format("the access of stream {:#x} at {:#x} was seen as {}", dma.sid, dma.iova,
                            trace::to_string(dma.result)));
  }
  may_be_reported(*asked, dma);
  if (dma.result == trace::DmaResult::stall) access_waits(access, *asked);
  const bool wrote = access.type == spec::AccessType::write && dma.result == trace::DmaResult::ok;
  if (wrote) note_write(access, dma.pa, true);
}

/// What it may have left, until the next access.
void TraceFeeder::may_be_reported(const MachineAccess& asked, const trace::Dma& dma) {
  Hardware& hardware = hardware_->hardware();
  fed_.reportable.clear();
  fed_.reported_at = asked.at;
  for (const MayGet& one : hardware.answers(asked)) {
    const auto record = hardware.record_of(asked, one);
    if (record && result_of(one.kind) == dma.result) fed_.reportable.push_back(*record);
  }
  if (!fed_.reportable.empty() && !hardware.has_room_for_report()) interface_.event_was_lost();
}

void TraceFeeder::observe_hardware_record(const spec::sva::EventWords& record) {
  count(spec::rule::DEVICE_OUTCOME);
  if (std::ranges::find(fed_.reportable, record) == fed_.reportable.end()) {
    return find(spec::rule::DEVICE_OUTCOME, "a record of no access that was just ended");
  }
  fed_.reportable.clear();
  hardware_->hardware().report(record);
  interface_.event_recorded(static_cast<u32>(record[0] >> 32), record, fed_.reported_at);
}

/// That it waits is one of the things that its access may meet.
void TraceFeeder::observe_hardware_request(AgentId by, const trace::PageRequest& request) {
  window_ends();
  tick();
  emit(by, request);
  const spec::Access access = access_in(request);
  check_dma_duty(access);
  auto asked = hardware_->access_of(access);
  if (!asked) return undetermined("the device of the request");
  asked->group = request.page_group;
  asked->last = request.last;
  count(spec::rule::DEVICE_OUTCOME);
  if (!hardware_->answers(*asked).contains({MayGet::Kind::waits, 0})) {
    find(spec::rule::DEVICE_OUTCOME,
         fmt::format("stream {:#x} asks for the page at {:#x}, and an access there does not wait",
                     request.sid, request.iova));
    return;
  }
  access_waits(access, *asked);
}

}  // namespace iommucheck::oracle
