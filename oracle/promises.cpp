// SPDX-License-Identifier: MIT
// The four promises: what hardware may do is compared with what the interface promises, interval
// by interval, where something changed. DESIGN 4; SEMANTICS 5.
//
// A window ends before an invalidation can act, memory is freed, a call returns or an expectation
// changes. Until then every version that was visible in it is still visible or cached, so one
// comparison at its end has the verdict of one at each store.
#include <algorithm>

#include <fmt/format.h>

#include "oracle/monitor.h"

namespace iommucheck::oracle {

namespace {

using spec::Candidate;
using spec::sva::Alternatives;
using spec::sva::Promise;
using spec::sva::State;

constexpr u32 configuration_of_all = ~u32{0};
constexpr std::size_t remembered_max = 256;

/// The rights that a leaf gives are those of the mapping.
bool rights_match(const spec::Leaf<u64>& leaf, u32 prot) {
  const bool write = (prot & spec::sva::prot_write) != 0;
  const bool execute = (prot & spec::sva::prot_exec) != 0;
  const bool privileged = (prot & spec::sva::prot_privileged) != 0;
  const auto& user = leaf.unprivileged;
  if (privileged) {
    return !user.read && !user.write && leaf.privileged.write.value == write;
  }
  return user.read && user.write.value == write && user.execute.value == execute;
}

bool type_matches(const spec::Leaf<u64>& leaf, u32 prot) {
  const bool device = (leaf.attr & 0xf0) == 0;
  return device == ((prot & spec::sva::prot_device) != 0);
}

bool promises_translation(const Alternatives& allowed, const Candidate& c, u64 va) {
  for (u32 i = 0; i < allowed.count; ++i) {
    const Promise& promise = allowed.promises[i];
    if (promise.state == State::mapped && c.leaf.output + (va - c.va) == promise.pa &&
        rights_match(c.leaf, promise.prot) && type_matches(c.leaf, promise.prot)) {
      return true;
    }
  }
  return false;
}

bool promises_state(const Alternatives& allowed, State state) {
  for (u32 i = 0; i < allowed.count; ++i) {
    if (allowed.promises[i].state == state) return true;
  }
  return false;
}

}  // namespace

void Monitor::remember(u32 tag, u64 first, u64 last) {
  for (spec::DirtyInterval& interval : touched_) {
    if (interval.tag != tag) continue;
    const bool meets = first <= interval.last && interval.first <= last;
    const bool adjoins = (last != ~u64{0} && last + 1 == interval.first) ||
                         (interval.last != ~u64{0} && interval.last + 1 == first);
    if (!meets && !adjoins && touched_.size() < remembered_max) continue;
    interval.first = std::min(interval.first, first);
    interval.last = std::max(interval.last, last);
    return;
  }
  touched_.push_back({tag, first, last});
}

void Monitor::window_ends() {
  if (!promises_on_) {
    caches_.dirty().clear();
    caches_.dirty_streams().clear();
    return;
  }
  if (caches_.dirty().empty() && caches_.dirty_streams().empty()) return;
  check_changes();
}

void Monitor::remember_changes() {
  for (const u32 sid : caches_.dirty_streams()) {
    if (std::ranges::find(touched_streams_, sid) == touched_streams_.end()) {
      touched_streams_.push_back(sid);
    }
  }
  for (const spec::DirtyInterval& interval : caches_.dirty()) {
    remember(interval.tag, interval.first, interval.last);
  }
  caches_.dirty_streams().clear();
  caches_.dirty().clear();
}

void Monitor::check_changes() {
  for (const u32 sid : caches_.dirty_streams()) {
    if (std::ranges::find(touched_streams_, sid) == touched_streams_.end()) {
      touched_streams_.push_back(sid);
    }
    check_stream(sid);
  }
  caches_.dirty_streams().clear();
  // The list may grow no more: nothing below changes the state.
  for (const spec::DirtyInterval& interval : caches_.dirty()) {
    remember(interval.tag, interval.first, interval.last);
    check_interval(interval.tag, interval.first, interval.last);
  }
  caches_.dirty().clear();
}

/// What the stream's configuration may be is what the interface says of its device.
void Monitor::check_stream(u32 sid) {
  if (sid == configuration_of_all) {
    for (u32 device = 0; device < interface_.device_count(); ++device) {
      for (const u32 each : interface_.stream_ids(device)) check_stream(each);
    }
    return;
  }
  const u32 device = interface_.device_of(sid);
  if (device == interface_.device_count()) return;
  options_.clear();
  if (!caches_.stream_options(sid, 0, false, options_)) {
    gave_up_ = true;
    return;
  }
  const Alternatives allowed = interface_.expected_during(device, 0);
  if (allowed.gave_up) {
    gave_up_ = true;
    return;
  }
  ++statistics_.outcomes_judged;
  count(in_call_ ? spec::Rule::PROMISE_TRANSIENT : spec::Rule::PROMISE_OUTCOME);
  const bool paging =
      promises_state(allowed, State::mapped) || promises_state(allowed, State::unmapped);
  std::vector<u32> tags;
  for (const spec::Caches::StreamOption& option : options_) {
    std::string seen;
    if (option.any) {
      seen = "anything (" + std::string(spec::rule_info(option.rule).text) + ")";
    } else if (option.regime != 0) {
      if (paging) {
        tags.push_back(option.tag);
        continue;
      }
      seen = "translation with ASID " + fmt::format("{:#x}", caches_.regime(option.regime - 1).asid);
    } else if (option.kind == spec::SteKind::bypass) {
      if (promises_state(allowed, State::identity)) continue;
      seen = "bypass";
    } else {
      if (promises_state(allowed, State::blocked)) continue;
      // A call that moves the device may end its accesses with a configuration event meanwhile.
      if (in_call_ && allowed.concerned) continue;
      seen = option.event == spec::EventType::none ? "abort"
                                                   : std::string(spec::event_name(option.event));
    }
    const spec::Rule rule = !in_call_             ? spec::Rule::PROMISE_OUTCOME
                            : allowed.concerned   ? spec::Rule::PROMISE_TRANSIENT
                                                  : spec::Rule::PROMISE_UNDISTURBED;
    find(rule, fmt::format("an access of stream {:#x} (device {}) may meet {}; promised: {}", sid,
                           device, seen, promised_text(allowed)));
    return;
  }
  for (const u32 tag : tags) {
    // Another device of the same domain that uses the tag already has been compared with it.
    bool compared = false;
    caches_.streams_of(tag, [&](u32 other, u32 /*ssid*/) {
      const u32 its = interface_.device_of(other);
      compared |= other != sid && !in_call_ && its != interface_.device_count() &&
                  interface_.domain_of(its) == interface_.domain_of(device) &&
                  std::ranges::find(touched_streams_, other) == touched_streams_.end();
    });
    if (!compared) check_interval_for(tag, device, sid, 0, ~u64{0});
  }
}

void Monitor::check_interval(u32 tag, u64 first, u64 last) {
  u32 checked_device = interface_.device_count();
  caches_.streams_of(tag, [&](u32 sid, u32 ssid) {
    const u32 device = interface_.device_of(sid);
    if (ssid != 0 || device == interface_.device_count() || device == checked_device) return;
    // Devices of one domain are promised the same.
    if (checked_device != interface_.device_count() && !in_call_ &&
        interface_.domain_of(device) == interface_.domain_of(checked_device)) {
      return;
    }
    checked_device = device;
    check_interval_for(tag, device, sid, first, last);
  });
}

void Monitor::check_interval_for(u32 tag, u32 device, u32 sid, u64 first, u64 last) {
  u64 va = first;
  // Tables that a broken driver made, one leading to itself or a global leaf, may have pieces
  // without end.
  constexpr u64 pieces_max = u64{1} << 16;
  for (u64 pieces = 0;; ++pieces) {
    Alternatives allowed = interface_.expected_during(device, va);
    if (allowed.gave_up || pieces == pieces_max) {
      gave_up_ = true;
      return;
    }
    scratch_.clear();
    caches_.collect(tag, va, scratch_);
    const u64 end = std::min(allowed.last, caches_.constant_until(tag, va, scratch_));
    ++statistics_.outcomes_judged;
    if (!check_piece(tag, device, sid, va, allowed)) return;
    if (end >= last || end == ~u64{0}) return;
    va = end + 1;
  }
}

/// The candidates in scratch_ against what is promised at `va`.
bool Monitor::check_piece(u32 tag, u32 device, u32 sid, u64 va, const Alternatives& allowed) {
  // What nothing is mapped at, and what no call has touched, nobody breaks by accident.
  const bool mapped = promises_state(allowed, State::mapped);
  const bool touched = !touched_.empty();
  count(!in_call_           ? spec::Rule::PROMISE_OUTCOME
        : allowed.concerned ? spec::Rule::PROMISE_TRANSIENT
                            : spec::Rule::PROMISE_UNDISTURBED,
        mapped || touched);
  if (!in_call_ && !mapped) count(spec::Rule::PAGE_REUSE, touched);
  if (scratch_.size() > 1) count(spec::Rule::CONFLICT_TLB);
  const auto broken = [&](spec::Rule rule, const std::string& what) {
    find(rule, fmt::format("stream {:#x} (device {}) at {:#x}: {}; promised: {}", sid, device, va,
                           what, promised_text(allowed)));
    return false;
  };
  if (caches_.tag_is_broken(tag)) {
    return broken(spec::Rule::TAG_REGIMES, "anything may happen: two configurations share its tag");
  }
  bool fault = scratch_.empty();
  for (const Candidate& c : scratch_) {
    if (c.kind == Candidate::Kind::unknown) {
      return broken(spec::Rule::WILD_WALK, "anything may happen: memory of unknown content is read");
    }
    if (c.kind == Candidate::Kind::fault) fault = true;
    if (c.kind != Candidate::Kind::leaf) continue;
    if (promises_translation(allowed, c, va)) continue;
    const spec::Rule rule = in_call_ ? (allowed.concerned ? spec::Rule::PROMISE_TRANSIENT
                                                          : spec::Rule::PROMISE_UNDISTURBED)
                            : !mapped && c.item != 0 ? spec::Rule::PAGE_REUSE
                                                      : spec::Rule::PROMISE_OUTCOME;
    return broken(rule, candidate_text(c, va));
  }
  if (caches_.in_conflict(scratch_)) {
    return broken(spec::Rule::CONFLICT_TLB, "anything may happen: living translations differ");
  }
  if (fault && !promises_state(allowed, State::unmapped) &&
      !promises_state(allowed, State::blocked)) {
    const spec::Rule rule = !in_call_           ? spec::Rule::PROMISE_OUTCOME
                            : allowed.concerned ? spec::Rule::PROMISE_TRANSIENT
                                                : spec::Rule::PROMISE_UNDISTURBED;
    return broken(rule, "it may fault");
  }
  return true;
}

std::string Monitor::promised_text(const Alternatives& allowed) const {
  std::string text;
  for (u32 i = 0; i < allowed.count; ++i) {
    const Promise& promise = allowed.promises[i];
    if (!text.empty()) text += " or ";
    switch (promise.state) {
      case State::blocked: text += "terminated (blocked)"; break;
      case State::unmapped: text += "a fault (nothing is mapped)"; break;
      case State::identity: text += "untranslated"; break;
      default:
        text += fmt::format("{:#x} {}{}{}", promise.pa,
                            (promise.prot & spec::sva::prot_read) != 0 ? "r" : "",
                            (promise.prot & spec::sva::prot_write) != 0 ? "w" : "",
                            (promise.prot & spec::sva::prot_exec) != 0 ? "x" : "");
    }
  }
  if (!call_text_.empty() && allowed.concerned) text += ", during " + call_text_;
  return text;
}

std::string Monitor::candidate_text(const Candidate& c, u64 va) const {
  const std::string rights = std::string(c.leaf.unprivileged.read ? "r" : "") +
                             (c.leaf.unprivileged.write ? "w" : "") +
                             (c.leaf.unprivileged.execute ? "x" : "");
  std::string text = fmt::format("it may reach {:#x} {}", c.leaf.output + (va - c.va),
                                 rights.empty() ? "privileged only" : rights);
  if (c.item != 0) return text + ": " + caches_.explain_item(caches_.item(c.item - 1));
  return text + fmt::format(": memory at {:#x} holds {:#x}", c.origin, c.value);
}

void Monitor::check_whole_space() {
  window_ends();
  if (!promises_on_) return;
  for (u32 device = 0; device < interface_.device_count(); ++device) {
    for (const u32 sid : interface_.stream_ids(device)) {
      touched_streams_.clear();
      touched_streams_.push_back(sid);
      for (u32 other = 0; other < interface_.device_count(); ++other) {
        for (const u32 each : interface_.stream_ids(other)) touched_streams_.push_back(each);
      }
      check_stream(sid);
    }
  }
  touched_streams_.clear();
}

}  // namespace iommucheck::oracle
