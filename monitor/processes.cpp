// SPDX-License-Identifier: MIT
// Processes, handlers of device drivers, removal: what the environment does, and what the driver
// has promised of it. SEMANTICS 5 "SVA"; INTERFACE "Exit", "Timeouts and removal".
#include <fmt/format.h>

#include "monitor/call_conversion.h"
#include "monitor/processes.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "spec/smmu/causes.h"

namespace iommucheck::oracle {

namespace {

constexpr AgentId environment = trace::environment_agent;

trace::MmId mm_id(u64 mm) { return trace::MmId{static_cast<u32>(mm)}; }

trace::Status word_of(spec::sva::Status status) {
  return trace::enum_from_string<trace::Status>(spec::sva::status_text(status))
      .value_or(trace::Status::other);
}

}  // namespace

/// A verdict of the interface on something that is no result of a call.
void EnvironmentEvents::after(const spec::sva::Verdict& verdict, const std::string& what) {
  if (!verdict.ok) {
    find(verdict.rule, what + ": " + verdict.message);
  } else if (verdict.blames_caller) {
    blame_caller(verdict.rule, what + ": " + verdict.message);
  }
  gather();
}

/// Where it is the hardware that keeps its table, a trace has to say when that came.
void EnvironmentEvents::process_created(u64 mm) {
  if (hardware_) {
    tick();
    emit(environment, trace::ProcessMap{.mm = mm_id(mm), .va = 0, .length = 0, .pa = {}});
    hardware_->processes().create(mm);
    hardware_acted();
  }
  interface_.process_created(mm);
}

void EnvironmentEvents::process_maps(u64 mm, u64 va, u64 bytes, u64 pa, u32 prot) {
  tick();
  emit(environment,
       trace::ProcessMap{
           .mm = mm_id(mm), .va = va, .length = bytes, .pa = pa, .rights = rights_of(prot)});
  if (hardware_) {
    bytes = hardware_->processes().map(mm, va, bytes, pa, prot);
    hardware_->look_at(va, bytes);
  }
  interface_.process_maps(mm, va, bytes, pa, prot);
  window_ends();
  gather();
}

void EnvironmentEvents::process_unmaps(u64 mm, u64 va, u64 bytes) {
  tick();
  emit(environment, trace::ProcessUnmap{.mm = mm_id(mm), .va = va, .length = bytes});
  if (hardware_) hardware_->processes().unmap(mm, va, bytes);
  interface_.process_unmaps(mm, va, bytes);
  hardware_changed();
  window_ends();
  // Nobody who was to forget it is told.
  if (hardware_ && !interface_.is_bound(mm)) settle_process(mm, false);
  gather();
}

void EnvironmentEvents::process_protects(u64 mm, u64 va, u64 bytes, u32 prot) {
  tick();
  emit(environment, trace::ProcessProtect{
                        .mm = mm_id(mm), .va = va, .length = bytes, .rights = rights_of(prot)});
  if (hardware_) hardware_->processes().protect(mm, va, bytes, prot);
  interface_.process_protects(mm, va, bytes, prot);
  hardware_changed();
  window_ends();
  gather();
}

void EnvironmentEvents::process_forks(u64 mm, u64 child) {
  tick();
  emit(environment, trace::Fork{.mm = mm_id(mm), .child = mm_id(child)});
  if (hardware_) hardware_->processes().fork(mm, child);
  interface_.process_forks(mm, child);
  hardware_changed();
  window_ends();
  gather();
}

void EnvironmentEvents::process_exits(u64 mm) {
  tick();
  emit(environment, trace::Exit{.mm = mm_id(mm)});
  interface_.process_gone(mm);
  if (!hardware_) return;
  if (!hardware_->processes().exit(mm)) {
    may_still_lead("the process is gone, and the hardware may still walk its table");
  }
  hardware_acted();
  compare_hardware();
}

// ---- Invalidate, Release ------------------------------------------------------------------------

void EnvironmentEvents::invalidate_begins(u64 mm, u64 va, u64 bytes) {
  window_ends();
  tick();
  Running running;
  running.kind = Running::Kind::invalidate;
  running.call.mm = mm;
  running.call.iova = va;
  running.call.size = bytes;
  const bool everything = va + (bytes - 1) < va || bytes == ~u64{0};
  running.ranges.emplace_back(va, everything ? ~u64{0} : va + (bytes - 1));
  begin(std::move(running));
  emit(environment,
       trace::Invalidate{.mm = mm_id(mm), .va = va, .length = bytes, .phase = trace::Phase::begin});
  caches_.tolerate_disabled_halves(true);
  current().ticket = interface_.invalidate_begins(mm, va, bytes);
}

void EnvironmentEvents::invalidate_ends(bool timed_out) {
  end_tolerance(timed_out);
  remember_changes();
  tick();
  trace::Invalidate event{.mm = mm_id(current().call.mm),
                          .va = current().call.iova,
                          .length = current().call.size,
                          .phase = trace::Phase::end};
  if (timed_out) event.timed_out = true;
  emit(environment, event);
  const u64 mm = current().call.mm;
  const spec::sva::Verdict verdict = interface_.invalidate_ends(current().ticket, timed_out);
  has_returned();
  after(verdict, "Invalidate");
  check_after_call();
  if (hardware_) settle_process(mm, timed_out);
}

u64 EnvironmentEvents::release_begins(u64 mm) {
  window_ends();
  tick();
  Running running;
  running.kind = Running::Kind::release;
  running.call.mm = mm;
  begin(std::move(running));
  emit(environment, trace::Release{.mm = mm_id(mm), .phase = trace::Phase::begin});
  caches_.tolerate_disabled_halves(true);
  current().ticket = interface_.release_begins(mm);
  for (u32 device = 0; device < interface_.device_count(); ++device) owe_device(device);
  return current().id;
}

void EnvironmentEvents::release_ends(bool timed_out) {
  end_tolerance(timed_out);
  remember_changes();
  tick();
  trace::Release event{.mm = mm_id(current().call.mm), .phase = trace::Phase::end};
  if (timed_out) event.timed_out = true;
  emit(environment, event);
  remember_waiting();
  if (hardware_ && timed_out) hardware_->processes().release_times_out(current().call.mm);
  const spec::sva::Verdict verdict = interface_.release_ends(current().ticket, timed_out);
  if (!timed_out) check_ended_faults();
  has_returned();
  after(verdict, "Release");
  check_after_call();
}

// ---- handlers -----------------------------------------------------------------------------------

void EnvironmentEvents::handler_called(u32 device, u32 pasid, u64 drvdata) {
  tick();
  emit(AgentId::cpu0, trace::Callback{.kind = trace::CallbackKind::mm_exit,
                                      .device = trace::DeviceId{device},
                                      .pasid = trace::substream(pasid),
                                      .drvdata = drvdata});
  after(interface_.handler_called(device, pasid, drvdata),
        fmt::format("mm_exit(device {}, PASID {:#x})", device, pasid));
}

void EnvironmentEvents::fault_handler_called(const FaultTold& fault) {
  tick();
  emit(AgentId::cpu0, trace::Callback{.kind = trace::CallbackKind::fault_handler,
                                      .device = trace::DeviceId{fault.device},
                                      .pasid = trace::substream(fault.pasid),
                                      .drvdata = fault.word,
                                      .fault_group = fault.group});
  const spec::sva::Verdict verdict = interface_.fault_handler_called(
      {.device = fault.device, .pasid = fault.pasid, .prot = fault.prot, .group = fault.group},
      fault.iova, fault.word);
  if (!verdict.ok && case_.promises_on) find(verdict.rule, verdict.message);
}

void EnvironmentEvents::handler_returned(u32 device, u32 pasid, spec::sva::Status status) {
  tick();
  trace::Done done{.device = trace::DeviceId{device}, .pasid = pasid};
  done.status = word_of(status);
  emit(trace::device_agent(static_cast<u16>(device)), done);
  after(interface_.handler_returned(device, pasid, status),
        fmt::format("the return of mm_exit(device {}, PASID {:#x})", device, pasid));
}

void EnvironmentEvents::bound_passes(u32 device, u32 pasid) {
  tick();
  emit(environment, trace::BoundPasses{.device = trace::DeviceId{device}, .pasid = pasid});
  after(interface_.bound_passes(device, pasid),
        fmt::format("mm_exit(device {}, PASID {:#x})", device, pasid));
}

void EnvironmentEvents::page_released(AgentId by, u64 pa, u64 bytes) {
  window_ends();
  tick();
  emit(by, trace::PageRelease{.pa = pa, .length = bytes});
  const spec::sva::Verdict duty = interface_.duty_of_page(pa, bytes);
  count(spec::rule::PAGE_IN_FLIGHT);
  if (duty.blames_caller) return blame_caller(duty.rule, duty.message);
  count(spec::rule::PAGE_REUSE);
  if (hardware_) {
    if (auto finding = hardware_->reaches(pa, bytes)) find(std::move(*finding));
    return;
  }
  bool found = false;
  caches_.lookups().for_each_translation([&](u32 /*tag*/, const spec::Candidate& c) {
    if (found || c.kind != spec::Candidate::Kind::leaf) return;
    if (c.leaf.output - pa >= bytes && pa - c.leaf.output >= pow2(c.extent_lg2)) return;
    found = true;
    Finding finding = finding_of(
        spec::rule::PAGE_REUSE,
        fmt::format("the page at {:#x} is given back, and an access to {:#x} may still reach it",
                    pa, c.va));
    finding.where.address = c.va;
    finding.hardware.push_back(reached(c, c.va));
    finding.causes.push_back(cause_of(caches_.view(), c, c.va));
    find(std::move(finding));
  });
}

// ---- removal, stuck queue -----------------------------------------------------------------------

void EnvironmentEvents::device_vanishes(u32 device) {
  window_ends();
  // The driver may end them, or leave them.
  for (Case::Untagged& one : case_.untagged) {
    one.unsure |= interface_.device_of(one.sid) == device;
  }
  tick();
  Running running;
  running.kind = Running::Kind::removal;
  running.call.device = device;
  begin(std::move(running));
  emit(environment,
       trace::DeviceRemove{.device = trace::DeviceId{device}, .phase = trace::Phase::begin});
  // The others of its domain meet what an unbind_dev_all of it makes of the shared table.
  current().call.kind = spec::sva::CallKind::unbind_dev_all;
  current().ticket = interface_.begin_call(current().call);
  // Its accesses end with it, what its ATC holds and its context bank has; and its tokens' tables
  // are given back.
  std::vector<u32> walkers;
  interface_.for_each_walker([&](u32 walker) {
    if (walker == device || interface_.walks_token_of(walker, device)) walkers.push_back(walker);
  });
  for (const u32 walker : walkers) stop_walker(walker);
  interface_.walker_switches(device, 0);
  if (hardware_) {
    hardware_->walker_switches(device, 0, 0);
    hardware_->hardware().remove(device);
    hardware_acted();
  } else {
    switch_ats(device, false);
  }
  owe_all(device);
  // It leaves its domain, which makes what was unmapped there safe for the others, as detach does.
  current().call.domain = interface_.domain_of(device);
  interface_.for_each_stale(current().call.domain, [&](u64 first, u64 last) {
    current().ranges.emplace_back(first, last);
  });
}

void EnvironmentEvents::device_vanished(bool timed_out) {
  remember_changes();
  tick();
  const u32 device = current().call.device;
  trace::DeviceRemove event{.device = trace::DeviceId{device}, .phase = trace::Phase::end};
  if (timed_out) event.timed_out = true;
  emit(environment, event);
  // As a call it never was: a result that is not permitted changes nothing.
  interface_.end_call(current().ticket, current().call, {.status = spec::sva::Status::not_built});
  remember_waiting();
  interface_.device_removed(device, timed_out);
  if (!timed_out) check_ended_faults();
  has_returned();
  check_after_call();
}

void EnvironmentEvents::device_comes(u32 device) {
  for (Case::Untagged& one : case_.untagged) {
    one.of_before |= interface_.device_of(one.sid) == device;
  }
  window_ends();
  tick();
  Running running;
  running.kind = Running::Kind::arrival;
  running.call.device = device;
  begin(std::move(running));
  emit(environment, trace::DeviceAdd{.device = trace::DeviceId{device},
                                     .phase = trace::Phase::begin,
                                     .status = std::nullopt});
}

void EnvironmentEvents::device_came(spec::sva::Status status) {
  remember_changes();
  tick();
  const u32 device = current().call.device;
  emit(environment, trace::DeviceAdd{.device = trace::DeviceId{device},
                                     .phase = trace::Phase::end,
                                     .status = word_of(status)});
  remember_waiting();
  if (status == spec::sva::Status::ok) {
    interface_.device_added(device);
    // It is switched on with an empty ATC, unless that is the driver's to do.
    if (ats_is_drivers_ == 0) switch_ats(device, true);
    current().places.push_back({device, spec::sva::Substream{}});
  }
  has_returned();
  check_after_call();
}

void EnvironmentEvents::switch_ats(u32 device, bool on) {
  if (hardware_) return;
  const bool able = setup_.devices[device].ats && caches_.capabilities().ats;
  for (const u32 sid : streams_here(device)) caches_.set_ats(sid, on && able);
}

void EnvironmentEvents::endpoint_ats(u32 device, bool on) {
  tick();
  window_ends();
  emit(environment, trace::EndpointAts{.device = trace::DeviceId{device}, .on = on});
  trail().set(ats_is_drivers_, 1);
  if (device < interface_.device_count()) switch_ats(device, on);
  gather();
}

}  // namespace iommucheck::oracle
