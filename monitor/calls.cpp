// SPDX-License-Identifier: MIT
// A call's life: its begin, its waiting for others, its return, and what is compared then.
#include <algorithm>
#include <bit>

#include <fmt/format.h>

#include "base/bits.h"
#include "base/call_arguments.h"
#include "monitor/call_conversion.h"
#include "monitor/monitor.h"
#include "spec/arch/granule.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
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

bool maps(CallKind kind) {
  return kind == CallKind::map || kind == CallKind::map_sg || kind == CallKind::sva_map ||
         kind == CallKind::sva_map_sg || kind == CallKind::task_map;
}

bool unmaps(CallKind kind) {
  return kind == CallKind::unmap || kind == CallKind::unmap_fast || kind == CallKind::sva_unmap ||
         kind == CallKind::sva_unmap_fast || kind == CallKind::task_unmap;
}

u64 bytes_of(const Call& call) {
  u64 bytes = call.size;
  for (const spec::sva::Segment& segment : call.segments) bytes += segment.size;
  return bytes;
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
  if (maps(call.kind)) return bytes_of(call) != 0;
  return !unmaps(call.kind) || observed.value != 0;
}

}  // namespace

// ---- what a call has to make safe, though no word and no item may change ------------------------

/// A device's PASID; where tables are shared, that of every device of its domain.
void Monitor::owe_all(u32 device) {
  const u64 domain = interface_.domain_of(device);
  for (u32 other = 0; other < interface_.device_count(); ++other) {
    if (other != device && (domain == 0 || interface_.domain_of(other) != domain)) continue;
    owe_device(other);
  }
}

void Monitor::owe_device(u32 device) {
  interface_.for_each_substream(device, [&](u32 number) {
    running_.places.emplace_back(device, spec::sva::substream(number));
  });
}

void Monitor::owe(const Call& call) {
  const auto range = [&](u64 first, u64 last) { running_.ranges.emplace_back(first, last); };
  const auto own_space = [&](u32 device) {
    if (device < interface_.device_count()) running_.places.emplace_back(device, Substream{});
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
        running_.places.emplace_back(call.device, spec::sva::substream(call.pasid));
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
        if (interface_.domain_of(device) == domain) running_.places.emplace_back(device, at);
      }
      break;
    }
    default: break;
  }
}

// ---- begin, wait, return ------------------------------------------------------------------------

void Monitor::begin(Running running) {
  if (in_call_) call_waits();
  running_ = std::move(running);
  running_.id = ++case_.call_id;
  running_.began = case_.now;
  running_.lists.give(running_.call);
  in_call_ = true;
}

u64 Monitor::call_begins(const Call& call) {
  window_ends();
  if (call.kind == CallKind::domain_alloc && spec::sva::is_nested(call.domain_kind)) {
    tick();
    emit(trace::environment_agent, trace::UserRoute{.attributes = call.structure[1]});
  }
  tick();
  ++statistics_.calls;
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
    trace::Call event{.id = trace::CallId{case_.call_id}, .call = to_trace(call, case_.numbers)};
    if (call.context.inside) {
      event.handler_device = trace::DeviceId{call.context.device};
      event.handler_pasid = call.context.pasid;
    }
    emit(AgentId::cpu0, event);
  }
  if (duty.blames_caller) blame_caller(duty.rule, in_trace_numbers(duty.message, call));
  settle_walkers(running_.call, duty.blames_caller ? duty.rule : spec::rule::RESULT_EXACT);
  caches_.tolerate_disabled_halves(true);
  running_.ticket = interface_.begin_call(running_.call);
  owe(running_.call);
  return running_.id;
}

void Monitor::call_waits() {
  if (!in_call_) return;
  window_ends();
  tick();
  trace::CallWait wait{.phase = trace::Phase::begin};
  if (running_.kind == Running::Kind::release) {
    wait.mm = trace::MmId{static_cast<u32>(running_.call.mm)};
  } else {
    wait.id = trace::CallId{running_.id};
  }
  emit(AgentId::cpu0, wait);
  in_call_ = false;
  waiting_.push_back(std::move(running_));
  waiting_.back().lists.give(waiting_.back().call);
  running_ = {};
  gather();
}

void Monitor::call_resumes(u64 id) {
  const auto found = std::ranges::find(waiting_, id, &Running::id);
  if (found == waiting_.end()) return;
  if (in_call_) call_waits();
  window_ends();
  tick();
  // call_waits() may have moved them.
  const auto again = std::ranges::find(waiting_, id, &Running::id);
  running_ = std::move(*again);
  waiting_.erase(again);
  running_.lists.give(running_.call);
  in_call_ = true;
  caches_.tolerate_disabled_halves(true);
  trace::CallWait wait{.phase = trace::Phase::end};
  if (running_.kind == Running::Kind::release) {
    wait.mm = trace::MmId{static_cast<u32>(running_.call.mm)};
  } else {
    wait.id = trace::CallId{running_.id};
  }
  emit(AgentId::cpu0, wait);
}

/// What one call does to several CDs of one ASID is judged when it is done: when nothing that began
/// before waits any more, and, where a time-out has left commands behind, when these are complete.
void Monitor::end_tolerance(bool timed_out) {
  if (timed_out) trail().set(late_group_, caches_.next_group() + 1);
  const bool late = caches_.completed_groups() < late_group_;
  if (waiting_.empty() && !late) caches_.tolerate_disabled_halves(false);
}

void Monitor::call_returns(const spec::sva::Observed& observed, spec::sva::Circumstances around) {
  end_tolerance(observed.status == spec::sva::Status::etimedout);
  remember_changes();  // compared below: what is promised after a call is promised at its end
  tick();
  const Call& call = running_.call;
  if (sink_ != nullptr) {
    emit(AgentId::cpu0, to_trace(call, observed, trace::CallId{running_.id}, case_.numbers));
  }
  // "Not built" is no result: nothing is said of the call, and nothing may have changed.
  const bool declined = observed.status == Status::not_built;
  count(spec::rule::RESULT_EXACT, !declined);
  remember_waiting();
  around.hooks = running_.hooks;
  around.hooks.are_told = setup_.hooks.has_value();
  spec::sva::Verdict verdict = interface_.end_call(running_.ticket, call, observed, around);
  if (verdict.ok && observed.status == Status::ok) check_ended_faults();
  in_call_ = false;
  if (!declined) judge_result(verdict, observed);
  if (verdict.ok && call.kind == CallKind::cache_invalidate) check_users_atcs(observed);
  const bool worked = verdict.ok && observed.status == Status::ok;
  const bool paging = call.kind == CallKind::domain_alloc &&
                      call.domain_kind == static_cast<u32>(spec::sva::DomainKind::paging);
  if (worked && paging && !hardware_ && !sizes_of_one_granule(observed.facts.page_sizes)) {
    Finding finding =
        finding_of(spec::rule::RESULT_EXACT,
                   fmt::format("domain_alloc: page sizes {:#x} are not those of one granule",
                               observed.facts.page_sizes));
    finding.answer = spec::sva::status_text(observed.status);
    find(std::move(finding));
  }
  if (worked && call.kind == CallKind::attach) check_users_routes(call.domain);
  if (worked && changed_something(call, observed)) ++statistics_.calls_changing;
  // A number that this call made reachable.
  const bool bound = call.kind == CallKind::bind_device;
  const bool task = call.kind == CallKind::bind_task && call.flags == spec::sva::task_svm;
  if (worked && (bound || task || call.kind == CallKind::sva_alloc_pasid)) {
    const auto pasid = bound ? static_cast<u32>(observed.value) : observed.pasid;
    const u64 domain = interface_.domain_of(call.device);
    for (u32 device = 0; device < interface_.device_count(); ++device) {
      if (device != call.device && interface_.domain_of(device) != domain) continue;
      running_.places.emplace_back(device, spec::sva::substream(pasid));
    }
  }
  // A range that the call was to change, even where it changed nothing.
  const u64 bytes = bytes_of(call);
  if ((maps(call.kind) || unmaps(call.kind)) &&
      call.iova + (bytes == 0 ? 0 : bytes - 1) >= call.iova) {
    running_.ranges.emplace_back(call.iova, call.iova + (bytes == 0 ? 0 : bytes - 1));
  }
  check_after_call();
}

/// A call that breaks a duty of the caller's may be refused by any error, though none is permitted:
/// then nothing has changed. What a driver makes of a freed object nobody can say.
void Monitor::judge_result(const spec::sva::Verdict& verdict, const spec::sva::Observed& observed) {
  const Call& call = running_.call;
  if (verdict.ok) {
    if (verdict.blames_caller) blame_caller(verdict.rule, in_trace_numbers(verdict.message, call));
    return;
  }
  if (running_.breach == spec::rule::FREED_OBJECT) {
    case_.stands_aside = true;
    case_.promises_on = false;
  } else if (!running_.breach || observed.status == Status::ok) {
    Finding finding = finding_of(verdict.rule, in_trace_numbers(verdict.message, call));
    if (verdict.rule == spec::rule::RESULT_EXACT) {
      finding.answer = spec::sva::status_text(observed.status);
      finding.wrong = verdict.why;
      finding.changed_nothing =
          observed.status != Status::ok && observed.status != Status::etimedout;
    }
    if (verdict.unmarked && !hardware_) explain_unmarked(finding, call.domain, *verdict.unmarked);
    find(std::move(finding));
  }
}

/// Whether a violation found now follows from what the caller broke with the call that runs: a map
/// over what is not synchronised stores a descriptor over living translations, whoever makes it.
bool Monitor::is_callers_doing(spec::Rule rule) const {
  if (case_.stands_aside) return spec::rule_info(rule).keeper == spec::Keeper::driver;
  return in_call_ && running_.breach == spec::rule::RANGE_UNSYNCED &&
         (rule == spec::rule::CONFLICT_BBM || rule == spec::rule::CONFLICT_TLB);
}

/// Everything that the call touched, now against what it left promised; and what may no longer be
/// reached from now on, though no word and no item changed.
void Monitor::check_after_call() {
  compared_.clear();
  if (hardware_) {
    hardware_acted();
    compare_hardware();
    for (const auto& [device, at] : running_.places) {
      for (const u32 sid : interface_.stream_ids(device)) {
        if (case_.promises_on && findings_.empty()) check_faults_ended({device, sid, at});
      }
    }
  } else if (case_.promises_on && findings_.empty()) {
    const std::vector<spec::StreamPart> streams = case_.touched_streams;
    for (const spec::StreamPart& part : streams) check_stream(part);
    for (const spec::StreamPart& part : streams) check_attributes(part);
    for (std::size_t i = 0; i < case_.touched.size() && findings_.empty(); ++i) {
      const spec::DirtyInterval interval = case_.touched[i];
      check_interval(interval.tag, interval.first, interval.last);
    }
    for (const auto& [first, last] : running_.ranges) {
      if (findings_.empty()) check_range(running_.call, first, last);
    }
    for (const auto& [device, at] : running_.places) {
      for (const u32 sid : interface_.stream_ids(device)) {
        if (findings_.empty()) check_place({device, sid, at});
        if (findings_.empty()) check_faults_ended({device, sid, at});
      }
    }
  }
  case_.touched.clear();
  case_.touched_streams.clear();
  running_ = {};
  gather();
}

/// Nothing waits for an answer where nobody is bound any more, where only the number is held, or of
/// a device that is on no domain any more.
void Monitor::check_faults_ended(const Place& place) {
  if (!place.at.present) return;
  const spec::sva::Alternatives allowed = interface_.expected_during(place.device, place.at, 0);
  for (u32 i = 0; i < allowed.count; ++i) {
    const spec::sva::State state = allowed.promises[i].state;
    const bool over = state == spec::sva::State::no_pasid || state == spec::sva::State::quiet ||
                      state == spec::sva::State::blocked;
    if (!over) return;
  }
  const bool waits = still_waits_at(place.sid, place.at.number);
  const auto its = [&](const spec::StreamPart& part) {
    return part.sid == place.sid && part.first == place.at.number;
  };
  count(spec::rule::FAULT_ENDED, std::ranges::any_of(case_.stalled, its));
  if (!waits) return;
  Finding finding =
      finding_of(spec::rule::FAULT_ENDED, "an access of " + where_text(where(place)) +
                                              " still waits for the answer to its fault");
  finding.where = where(place);
  find(std::move(finding));
}

/// The text with the trace's number of the call's object instead of the driver's handle.
std::string Monitor::in_trace_numbers(std::string text, const Call& call) {
  if (sink_ == nullptr) return text;
  const Call named = by_number(call, case_.numbers);
  const auto replace = [&](const char* what, u64 handle, u64 number) {
    const std::string before = fmt::format("{}{:#x}", what, handle);
    const std::size_t place = handle == 0 ? std::string::npos : text.find(before);
    if (place != std::string::npos)
      text.replace(place, before.size(), fmt::format("{}{:#x}", what, number));
  };
  replace("domain ", call.domain, named.domain);
  replace("master ", call.parent, named.parent);
  replace("io_mm ", call.io_mm, named.io_mm);
  replace("token ", call.token, named.token);
  replace("queue ", call.queue, named.queue);
  return text;
}

// ---- ranges -------------------------------------------------------------------------------------

void Monitor::check_range(const Call& call, u64 first, u64 last) {
  if (running_.kind == Running::Kind::invalidate) {
    for (u32 device = 0; device < interface_.device_count(); ++device) {
      interface_.for_each_substream(device, [&](u32 number) {
        check_space_range(device, spec::sva::substream(number), first, last);
      });
    }
    return;
  }
  interface_.for_each_walker_of(call, [&](u32 walker) {
    if (findings_.empty()) check_walker(walker, first, last);
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
    if (interface_.domain_of(device) != domain || domain == 0) continue;
    check_space_range(device, at, first, last);
    if (!at.present) return;
  }
}

void Monitor::check_space_range(u32 device, Substream at, u64 first, u64 last) {
  if (!findings_.empty()) return;
  const Place place{device, interface_.stream_ids(device).front(), at};
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

}  // namespace iommucheck::oracle
