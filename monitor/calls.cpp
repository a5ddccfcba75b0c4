// SPDX-License-Identifier: MIT
// A call's life: its begin, its waiting for others, its return, and what is compared then.
#include <algorithm>
#include <bit>
#include <optional>

#include <fmt/format.h>

#include "base/bits.h"
#include "base/call_arguments.h"
#include "monitor/call_conversion.h"
#include "monitor/calls.h"
#include "spec/arch/granule.h"
#include "spec/rules/interface.h"
#include "spec/smmu/visits.h"
#include "trace/agent.h"

namespace iommucheck::oracle {

namespace {

using spec::sva::Call;
using spec::sva::CallKind;
using spec::sva::Status;
using spec::sva::Substream;

bool on_io_mm(CallKind kind) {
  return kind >= CallKind::sva_free_pasid && kind <= CallKind::sva_detach;
}

/// Whether a bitmap of page sizes is one of a granule: pages, blocks and contiguous runs of them,
/// DDI 0487 D8.2 and D8.6. The smallest size says which granule.
bool sizes_of_one_granule(u64 page_sizes) {
  if (page_sizes == 0) return true;
  using spec::Granule;
  for (const Granule granule : {Granule::g4k, Granule::g16k, Granule::g64k}) {
    if (static_cast<unsigned>(std::countr_zero(page_sizes)) != spec::page_shift(granule)) continue;
    u64 legal = 0;
    for (unsigned level = granule == Granule::g4k ? 0 : 1; level <= spec::last_level; ++level) {
      const unsigned size = spec::leaf_size_lg2(granule, level);
      legal |= pow2(size) | pow2(size + spec::contiguous_lg2(granule, level));
    }
    return (page_sizes & ~legal) == 0;
  }
  return false;
}

bool changed_something(const Call& call, const spec::sva::Observed& observed) {
  if (call_shapes[static_cast<std::size_t>(call.kind)].asks) return false;
  if (is_map(call.kind)) return bytes_of(call) != 0;
  return !is_unmap(call.kind) || observed.value != 0;
}

/// The PASID that a call gives: one for its caller to send, or to attach something at.
std::optional<u32> number_given(const Call& call, const spec::sva::Observed& observed) {
  switch (call.kind) {
    case CallKind::bind_device:
    case CallKind::pasid_alloc: return static_cast<u32>(observed.value);
    case CallKind::sva_alloc_pasid: return observed.pasid;
    case CallKind::bind_task:
      if (call.flags == spec::sva::task_svm) return observed.pasid;
      return std::nullopt;
    default: return std::nullopt;
  }
}

/// Devices at which a time-out has left something at a number that is given, and that nobody else
/// has: nothing of it may be met from here on. INTERFACE "Timeouts".
std::vector<u32> left_at_new_number(const spec::sva::Interface& interface, u32 pasid) {
  std::vector<u32> left;
  for (u32 device = 0; device < interface.device_count(); ++device) {
    if (interface.has_bond(device, pasid)) return {};
    bool may_meet = false;
    interface.for_each_substream(device, [&](u32 number) { may_meet |= number == pasid; });
    if (may_meet) left.push_back(device);
  }
  return left;
}

}  // namespace

// ---- what a call has to make safe, though no word and no item may change ------------------------

/// A device's PASID; where tables are shared, that of every device of its domain.
void CallEvents::owe_all(u32 device) {
  const u64 domain = interface_.domain_of(device);
  for (u32 other = 0; other < interface_.device_count(); ++other) {
    if (other != device && (domain == 0 || interface_.domain_of(other) != domain)) continue;
    owe_device(other);
  }
}

void CallEvents::owe_device(u32 device) {
  interface_.for_each_substream(device, [&](u32 number) {
    const bool bound = interface_.has_bond(device, number);
    current().places.push_back({device, spec::sva::substream(number), bound});
  });
}

void CallEvents::owe(const Call& call) {
  const auto range = [&](u64 first, u64 last) { current().ranges.emplace_back(first, last); };
  const auto own_space = [&](u32 device) {
    if (device < interface_.device_count()) current().places.push_back({device, Substream{}});
  };
  switch (call.kind) {
    case CallKind::iotlb_sync:
    case CallKind::flush_iotlb_all: interface_.for_each_stale(call.domain, range); break;
    case CallKind::sva_iotlb_sync:
    case CallKind::sva_flush_tlb_all: interface_.for_each_stale_of_io_mm(call.io_mm, range); break;
    case CallKind::detach:
      interface_.for_each_stale(call.domain, range);
      own_space(call.device);
      owe_all(call.device);
      break;
    case CallKind::recover:
      for (u32 device = 0; device < interface_.device_count(); ++device) {
        own_space(device);
        owe_device(device);
      }
      break;
    case CallKind::attach:
      own_space(call.device);
      owe_all(call.device);
      break;
    case CallKind::attach_pasid:
    case CallKind::detach_pasid:
      if (call.device < interface_.device_count()) {
        current().places.push_back({call.device, spec::sva::substream(call.pasid)});
      }
      break;
    case CallKind::unbind_device:
    case CallKind::unbind_task:
    case CallKind::unbind_dev_all:
    case CallKind::sva_device_shutdown: owe_all(call.device); break;
    case CallKind::sva_free_pasid:
    case CallKind::sva_detach: {
      const Substream at = interface_.pasid_of_io_mm(call.io_mm);
      const u64 domain = interface_.domain_of_io_mm(call.io_mm);
      for (u32 device = 0; device < interface_.device_count() && at.present; ++device) {
        if (interface_.domain_of(device) == domain) current().places.push_back({device, at});
      }
      break;
    }
    default: break;
  }
}

// ---- begin, wait, return ------------------------------------------------------------------------

void CallEvents::begin(Running running) {
  if (in_call()) call_waits();
  runs_now(std::move(running));
}

u64 CallEvents::call_begins(const Call& call) {
  window_ends();
  if (call.kind == CallKind::domain_alloc && spec::sva::is_nested(call.domain_kind)) {
    tick();
    emit(trace::environment_agent, trace::UserRoute{.attributes = call.structure[1]});
  }
  tick();
  count_call();
  // A fault handler's answer from inside: the driver is still at what it was interrupted for.
  const bool inside = call.kind == CallKind::fault_queue_respond && call.context.inside;
  if (!inside) check_refused();
  Running running;
  running.call = call;
  running.lists.take(call);
  if (hardware_) hardware_->look_at(call);
  const spec::sva::Verdict duty = interface_.duty_of_call(call);
  if (duty.blames_caller) running.breach = duty.rule;
  begin(std::move(running));
  if (sink_ != nullptr) {
    trace::Call event{.id = trace::CallId{case_.calls.count},
                      .call = to_trace(call, case_.calls.numbers)};
    if (call.context.inside) {
      event.handler_device = trace::DeviceId{call.context.device};
      event.handler_pasid = call.context.pasid;
    }
    emit(AgentId::cpu0, event);
  }
  if (duty.blames_caller) blame_caller(duty.rule, in_trace_numbers(duty.message, call));
  settle_walkers(current().call, duty.blames_caller ? duty.rule : spec::rule::RESULT_EXACT);
  caches_.tolerate_disabled_halves(true);
  current().ticket = interface_.begin_call(current().call);
  owe(current().call);
  return current().id;
}

void CallEvents::call_waits() {
  if (!in_call()) return;
  window_ends();
  tick();
  trace::CallWait wait{.phase = trace::Phase::begin};
  if (current().kind == Running::Kind::release) {
    wait.mm = trace::MmId{static_cast<u32>(current().call.mm)};
  } else {
    wait.id = trace::CallId{current().id};
  }
  emit(AgentId::cpu0, wait);
  // Beside another call it may be that one that it waits for.
  if (current().kind == Running::Kind::release && !any_waits() && case_.promises_on) {
    const spec::sva::Verdict verdict = interface_.release_waits(current().ticket);
    if (!verdict.ok) find(verdict.rule, verdict.message);
  }
  lays_aside();
  gather();
}

void CallEvents::call_resumes(u64 id) {
  if (!waits(id)) return;
  if (in_call()) call_waits();
  window_ends();
  tick();
  takes_up(id);
  caches_.tolerate_disabled_halves(true);
  trace::CallWait wait{.phase = trace::Phase::end};
  if (current().kind == Running::Kind::release) {
    wait.mm = trace::MmId{static_cast<u32>(current().call.mm)};
  } else {
    wait.id = trace::CallId{current().id};
  }
  emit(AgentId::cpu0, wait);
}

/// What one call does to several CDs of one ASID is judged when it is done: when nothing that began
/// before waits any more, and, where a time-out has left commands behind, when these are complete.
void CallEvents::end_tolerance(bool timed_out) {
  if (timed_out) trail().set(late_group_, caches_.next_group() + 1);
  const bool late = caches_.completed_groups() < late_group_;
  if (!any_waits() && !late) caches_.tolerate_disabled_halves(false);
}

void CallEvents::call_returns(const spec::sva::Observed& observed,
                              spec::sva::Circumstances around) {
  end_tolerance(observed.status == spec::sva::Status::etimedout);
  remember_changes();  // compared below: what is promised after a call is promised at its end
  tick();
  const Call& call = current().call;
  if (sink_ != nullptr) {
    emit(AgentId::cpu0, to_trace(call, observed, trace::CallId{current().id}, case_.calls.numbers));
  }
  // "Not built" is no result: nothing is said of the call, and nothing may have changed.
  const bool declined = observed.status == Status::not_built;
  count(spec::rule::RESULT_EXACT, !declined);
  remember_waiting();
  around.hooks = current().hooks;
  around.hooks.are_told = setup_.hooks.has_value();
  const std::optional<u32> given = number_given(call, observed);
  if (given && observed.status == Status::ok) {
    for (const u32 device : left_at_new_number(interface_, *given)) {
      current().places.push_back({device, spec::sva::substream(*given)});
    }
  }
  spec::sva::Verdict verdict = interface_.end_call(current().ticket, call, observed, around);
  case_.calls.could_be_done = verdict.could_be_done && !verdict.blames_caller;
  const bool worked = verdict.takes_effect() && observed.status == Status::ok;
  if (worked) check_ended_faults();
  has_returned();
  if (!recording_ && !hardware_ && !call.context.inside && !any_waits()) smmu_.page_queue_is_left();
  if (!declined) judge_result(verdict, observed);
  if (verdict.ok && call.kind == CallKind::cache_invalidate) check_users_atcs(observed);
  const bool paging = call.kind == CallKind::domain_alloc &&
                      call.domain_kind == static_cast<u32>(spec::sva::DomainKind::paging);
  if (worked && paging && !hardware_ && !sizes_of_one_granule(observed.facts.page_sizes)) {
    Finding finding =
        finding_of(spec::rule::RESULT_EXACT,
                   fmt::format("domain_alloc: page sizes {:#x} are not those of one granule",
                               observed.facts.page_sizes));
    finding.answer = observed.status;
    find(std::move(finding));
  }
  if (worked && call.kind == CallKind::attach) check_users_routes(call.domain);
  if (worked && changed_something(call, observed)) count_change();
  // A number that this call made reachable.
  if (worked && given && call.kind != CallKind::pasid_alloc) {
    const u64 domain = interface_.domain_of(call.device);
    for (u32 device = 0; device < interface_.device_count(); ++device) {
      if (device != call.device && interface_.domain_of(device) != domain) continue;
      current().places.push_back({device, spec::sva::substream(*given)});
    }
  }
  // A range that the call was to change, even where it changed nothing.
  const u64 bytes = bytes_of(call);
  const u64 last = call.iova + (bytes == 0 ? 0 : bytes - 1);
  if ((is_map(call.kind) || is_unmap(call.kind)) && last >= call.iova) {
    current().ranges.emplace_back(call.iova, last);
  }
  check_after_call();
}

/// A call that breaks a duty of the caller's may be refused by any error, though none is permitted:
/// then nothing has changed. What a driver makes of a freed object nobody can say.
void CallEvents::judge_result(const spec::sva::Verdict& verdict,
                              const spec::sva::Observed& observed) {
  const Call& call = current().call;
  if (verdict.ok) {
    if (verdict.blames_caller) blame_caller(verdict.rule, in_trace_numbers(verdict.message, call));
    return;
  }
  if (current().breach == spec::rule::FREED_OBJECT) {
    case_.calls.stands_aside = true;
    case_.promises_on = false;
  } else if (!current().breach || observed.status == Status::ok) {
    Finding finding = finding_of(verdict.rule, in_trace_numbers(verdict.message, call));
    if (verdict.rule == spec::rule::RESULT_EXACT) {
      finding.answer = observed.status;
      finding.wrong = verdict.why;
      finding.changed_nothing =
          observed.status != Status::ok && observed.status != Status::etimedout;
    }
    if (verdict.unmarked && hardware_) explain_by_model(finding, *verdict.unmarked, call.grain);
    if (verdict.unmarked && !hardware_) explain_unmarked(finding, call.domain, *verdict.unmarked);
    find(std::move(finding));
  }
}

/// The call has ended what was bound there, of its own device.
bool CallEvents::has_unbound(const Owed& place) const {
  const bool own = place.device == current().call.device;
  return own && place.bound && !interface_.has_bond(place.device, place.at.number);
}

/// Everything that the call touched, now against what it left promised; and what may no longer be
/// reached from now on, though no word and no item changed.
void CallEvents::check_after_call() {
  begin_comparison();
  if (hardware_) {
    hardware_acted();
    compare_hardware();
    for (const Owed& owed : current().places) {
      for (const u32 sid : streams_here(owed.device)) {
        if (!case_.promises_on || !findings().empty()) continue;
        check_faults_ended({owed.device, sid, owed.at}, has_unbound(owed));
      }
    }
  } else if (case_.promises_on && findings().empty()) {
    const std::vector<spec::StreamPart> streams = case_.calls.touched.streams();
    for (const spec::StreamPart& part : streams) check_stream(part);
    for (const spec::StreamPart& part : streams) check_attributes(part);
    for (const spec::DirtyInterval& interval : case_.calls.touched.intervals()) {
      if (!findings().empty()) break;
      check_interval(interval.tag, interval.first, interval.last);
    }
    for (const auto& [first, last] : current().ranges) {
      if (findings().empty()) check_range(current().call, first, last);
    }
    for (const Owed& owed : current().places) {
      for (const u32 sid : streams_here(owed.device)) {
        const Place place{owed.device, sid, owed.at};
        if (findings().empty()) check_place(place);
        if (findings().empty()) check_faults_ended(place, has_unbound(owed));
      }
    }
  }
  case_.calls.touched.clear();
  forget_running();
  gather();
}

// ---- ranges -------------------------------------------------------------------------------------

void CallEvents::check_range(const Call& call, u64 first, u64 last) {
  if (current().kind == Running::Kind::invalidate) {
    for (u32 device = 0; device < interface_.device_count(); ++device) {
      interface_.for_each_substream(device, [&](u32 number) {
        check_space_range(device, spec::sva::substream(number), first, last);
      });
    }
    return;
  }
  interface_.for_each_walker_of(call, [&](u32 walker) {
    if (findings().empty()) check_walker(walker, first, last);
  });
  Substream at;
  u64 domain = call.domain;
  if (on_io_mm(call.kind)) {
    at = interface_.pasid_of_io_mm(call.io_mm);
    domain = interface_.domain_of_io_mm(call.io_mm);
    if (!at.present) return;
  }
  // For one device of the domain: all are promised the same. At a PASID they may differ.
  for (u32 device = 0; device < interface_.device_count(); ++device) {
    if (interface_.domain_of(device) != domain || domain == 0 || !is_here(device)) continue;
    check_space_range(device, at, first, last);
    if (!at.present) return;
  }
}

void CallEvents::check_space_range(u32 device, Substream at, u64 first, u64 last) {
  const std::span<const u32> streams = streams_here(device);
  if (!findings().empty() || streams.empty()) return;
  const Place place{device, streams.front(), at};
  InlineVector<u32, 4> tags;
  const spec::StreamOptions& known = ways_at(place);
  if (!known.complete) give_up_on(place);
  for (const spec::StreamOption& option : known.options) {
    const bool other = std::ranges::find(tags, option.tag) == tags.end();
    if (option.regime != 0 && other) tags.push_back(option.tag);
  }
  for (const u32 tag : tags) check_interval_for(tag, place, first, last);
  atcs_of(caches_.view(), place.sid, [&](u32 tag, const spec::AtcOwner& owner) {
    if (owner.ssv == 2 || (owner.ssv == 1) != at.present) return;
    if (at.present && owner.ssid != at.number) return;
    check_interval_for(tag, place, first, last);
  });
}

// ---- the environment ----------------------------------------------------------------------------

void CallEvents::allocation_fails() {
  tick();
  emit(trace::environment_agent, trace::AllocationFailure{.nth = 1});
}

void CallEvents::hook_called(spec::sva::Hook hook, u64 io_mm, u32 device, spec::sva::Status failed,
                             bool made_nothing) {
  using spec::sva::Hook;
  tick();
  trace::BackendHook event{.hook = static_cast<trace::HookKind>(hook), .io_mm = io_mm};
  if (hook == Hook::mm_attach || hook == Hook::mm_detach) event.device = trace::DeviceId{device};
  const bool fails = failed != spec::sva::Status::ok;
  if (made_nothing) {
    event.is_null = true;
  } else if (fails) {
    event.error = static_cast<u32>(failed);
  }
  emit(trace::environment_agent, event);
  const spec::sva::Verdict verdict = interface_.hook_called(hook, io_mm, device, fails);
  if (!verdict.ok) {
    find(verdict.rule,
         fmt::format("{}(io_mm {:#x}): {}", spec::sva::hook_name(hook), io_mm, verdict.message));
  }
  if (!in_call()) return;
  current().hooks.note(hook, io_mm, device, failed, made_nothing);
}

}  // namespace iommucheck::oracle
