// SPDX-License-Identifier: MIT
// The four promises: what hardware may do is compared with what the interface promises, interval
// by interval, where something changed. SEMANTICS 5.
//
// A window ends before an invalidation can act, memory is freed, a call returns or an expectation
// changes. Until then every version that was visible in it is still visible or cached, so one
// comparison at its end has the verdict of one at each store.
#include <algorithm>

#include <fmt/format.h>

#include "base/inline_vector.h"
#include "monitor/monitor.h"
#include "spec/smmu/pieces.h"
#include "spec/smmu/walker.h"

namespace iommucheck::oracle {

namespace {

using spec::Candidate;
using spec::sva::Alternatives;
using spec::sva::Promise;
using spec::sva::State;

constexpr u32 every_stream = ~u32{0};
constexpr std::size_t parts_max = 64;
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

bool is_device_memory(const spec::Leaf<u64>& leaf) { return (leaf.attr & 0xf0) == 0; }

bool type_matches(const spec::Leaf<u64>& leaf, u32 prot) {
  return is_device_memory(leaf) == ((prot & spec::sva::prot_device) != 0);
}

/// `types`: the memory type of a leaf is known (not of a walker whose MAIR nobody has said).
bool promises_translation(const Alternatives& allowed, const Candidate& c, u64 va, bool types) {
  for (u32 i = 0; i < allowed.count; ++i) {
    const Promise& promise = allowed.promises[i];
    // What a device was told where stage 1 was bypassed is no translation.
    if (c.identity && promise.state == State::identity) return true;
    if (promise.state == State::mapped && c.leaf.output + (va - c.va) == promise.pa &&
        rights_match(c.leaf, promise.prot) && (!types || type_matches(c.leaf, promise.prot))) {
      return true;
    }
  }
  return false;
}

/// Ways in which an access may end without reaching anything.
bool promises_end(const Alternatives& allowed) {
  for (u32 i = 0; i < allowed.count; ++i) {
    const State state = allowed.promises[i].state;
    if (state == State::blocked || state == State::unmapped || state == State::no_pasid ||
        state == State::quiet) {
      return true;
    }
  }
  return false;
}

/// The finding says what is promised.
void promise(Finding& finding, const Alternatives& allowed) {
  finding.promised = promised_of(allowed);
  finding.transient = allowed.concerned;
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

void Monitor::touch_stream(const spec::StreamPart& part) {
  for (spec::StreamPart& known : touched_streams_) {
    if (known.sid != part.sid) continue;
    if (known.first <= part.first && part.last <= known.last) return;
    if (touched_streams_.size() < parts_max) continue;
    known.first = std::min(known.first, part.first);
    known.last = std::max(known.last, part.last);
    return;
  }
  touched_streams_.push_back(part);
}

void Monitor::remember_changes() {
  for (const spec::StreamPart& part : caches_.dirty_streams()) touch_stream(part);
  for (const spec::DirtyInterval& interval : caches_.dirty()) {
    remember(interval.tag, interval.first, interval.last);
  }
  caches_.dirty_streams().clear();
  caches_.dirty().clear();
}

void Monitor::check_changes() {
  compared_.clear();
  for (const spec::StreamPart& part : caches_.dirty_streams()) {
    touch_stream(part);
    check_stream(part);
  }
  caches_.dirty_streams().clear();
  // The list may grow no more: nothing below changes the state.
  for (const spec::DirtyInterval& interval : caches_.dirty()) {
    remember(interval.tag, interval.first, interval.last);
    check_interval(interval.tag, interval.first, interval.last);
  }
  caches_.dirty().clear();
}

spec::Rule Monitor::rule_for(const Alternatives& allowed) const {
  if (allowed.concerned) return spec::Rule::PROMISE_TRANSIENT;
  return in_call_ ? spec::Rule::PROMISE_UNDISTURBED : spec::Rule::PROMISE_OUTCOME;
}

// ---- streams ------------------------------------------------------------------------------------

void Monitor::check_device(u32 device) {
  // All its substreams, but not by the part that stands for every stream: 0xffffffff is a StreamID
  // like others where SIDSIZE is 32.
  for (const u32 sid : interface_.stream_ids(device)) check_stream({sid, 0, ~u32{0} - 1});
}

/// Whether no device has this StreamID. Where no device is named at all, nobody knows.
bool Monitor::is_nobodys(u32 sid) const {
  return !setup_.devices.empty() && interface_.device_of(sid) == interface_.device_count();
}

/// What the stream's configuration may be is what the interface says of its device: of the RID's
/// space, and of each PASID at which something is promised or may be met. A stream that is nobody's
/// reaches nothing, as one of a device that is not there.
void Monitor::check_stream(const spec::StreamPart& part) {
  if (part.sid == every_stream && part.whole()) {
    for (u32 device = 0; device < interface_.device_count(); ++device) check_device(device);
    caches_.for_each_translating_stream([&](u32 sid) {
      if (is_nobodys(sid)) check_stream({sid});
    });
    return;
  }
  const u32 device = interface_.device_of(part.sid);
  if (setup_.devices.empty()) return;
  if (part.first == 0) check_place({device, part.sid, {}});
  std::vector<u32> numbers;
  const auto add = [&](u32 number) {
    if (number != 0 && part.first <= number && number <= part.last) numbers.push_back(number);
  };
  if (part.first == part.last) {
    add(part.first);
  } else {
    interface_.for_each_substream(device, add);
    caches_.substreams_of(part.sid, add);
    std::ranges::sort(numbers);
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  }
  for (const u32 number : numbers) check_place({device, part.sid, spec::sva::substream(number)});
}

/// How translation faults end under the configurations that a stream may have there.
Monitor::Ends Monitor::ends_at(const Place& place) {
  if (!place.at.present) return {.stall = false, .abort = true};
  const spec::Caches::StreamOptions& known = options_at(place);
  if (!known.complete) gave_up_ = true;
  Ends ends;
  for (const spec::Caches::StreamOption& option : known.options) {
    if (option.regime == 0) continue;
    (option.reaction.stall ? ends.stall : ends.abort) = true;
  }
  return ends;
}

/// True if there is no more to say of the option; false: the promise is broken, and was reported.
bool Monitor::check_option(const Place& place, const spec::Caches::StreamOption& option,
                           const Alternatives& allowed) {
  May seen;
  seen.rule = option.rule;
  std::string text;
  // What calls itself translated passes unchecked where EATS = 1 (IHI 0070 5.2): whoever has no ATS
  // that was turned on may call itself so as well, and then reaches everything.
  const bool trusted = place.device < setup_.devices.size() && setup_.devices[place.device].ats;
  if (option.any) {
    seen.kind = May::Kind::anything;
  } else if (option.ats && option.regime != 0 && !trusted) {
    seen.kind = May::Kind::pass;
    text = "an access of " + where_text(where(place)) +
           " that says of itself that it is translated may pass: EATS of its STE is 1, and nobody "
           "has turned ATS on there";
  } else if (option.regime != 0) {
    const bool translates = promises_state(allowed, State::mapped) ||
                            promises_state(allowed, State::unmapped) ||
                            promises_state(allowed, State::waits);
    // At a PASID, tables that yield nothing are as good as none.
    const bool stalls = option.reaction.stall && !place.at.present;
    if ((translates || place.at.present) && !stalls) return true;
    seen.kind = stalls ? May::Kind::stalls : May::Kind::translated;
    seen.asid = caches_.regime(option.regime - 1).asid;
  } else if (option.kind == spec::SteKind::bypass && option.event == spec::EventType::none) {
    if (promises_state(allowed, State::identity)) return true;
    seen.kind = May::Kind::pass;
  } else {
    if (promises_state(allowed, State::blocked) || promises_state(allowed, State::no_pasid) ||
        promises_state(allowed, State::quiet)) {
      return true;
    }
    // A call that moves the device may end its accesses with a configuration event meanwhile.
    if (allowed.concerned) return true;
    seen.kind = option.event == spec::EventType::none ? May::Kind::terminated : May::Kind::event;
    seen.event = option.event;
  }
  Finding finding = finding_of(rule_for(allowed), std::move(text));
  finding.where = where(place);
  finding.hardware.push_back(std::move(seen));
  promise(finding, allowed);
  finding.objects = states_of(place);
  finding.causes = caches_.causes_of_stream(place.sid, finding.where.pasid);
  finding.causes.push_back(caches_.cause_in_memory(place.sid, finding.where.pasid, option));
  find(std::move(finding));
  return false;
}

void Monitor::check_place(const Place& place) {
  const u32 device = place.device;
  const u32 sid = place.sid;
  const spec::sva::Substream at = place.at;
  // Where the engine follows memory alone, what it knows of configurations is of before.
  if (vanishes(device) || caches_.stands_still()) return;
  const spec::Caches::StreamOptions& known = options_at(place);
  if (!known.complete) {
    gave_up_ = true;
    return;
  }
  const Alternatives allowed = interface_.expected_during(device, at, 0);
  if (allowed.gave_up) {
    gave_up_ = true;
    return;
  }
  ++statistics_.outcomes_judged;
  count(in_call_ ? spec::Rule::PROMISE_TRANSIENT : spec::Rule::PROMISE_OUTCOME);
  InlineVector<u32, 8> tags;
  Ends ends{.stall = false, .abort = !at.present};
  for (const spec::Caches::StreamOption& option : known.options) {
    if (!check_option(place, option, allowed)) return;
    if (option.regime == 0) continue;
    tags.push_back(option.tag);
    if (at.present) (option.reaction.stall ? ends.stall : ends.abort) = true;
  }
  for (const u32 tag : tags) {
    // Another device of the same domain that uses the tag already has been compared with it.
    bool compared = false;
    caches_.streams_of(tag, [&](u32 other, u32 ssid) {
      if (at.present || ssid != 0 || in_call_ || other == sid) return;
      const u32 its = interface_.device_of(other);
      const auto touched = [&](const spec::StreamPart& part) { return part.sid == other; };
      compared |= its != interface_.device_count() &&
                  interface_.domain_of(its) == interface_.domain_of(device) &&
                  std::ranges::none_of(touched_streams_, touched);
    });
    if (!compared) check_interval_for(tag, place, ends, 0, ~u64{0});
  }
  caches_.atcs_of(sid, [&](u32 tag, const spec::AtcOwner& owner) {
    if (owner.ssv != 2 && (owner.ssv == 1) != at.present) return;
    if (at.present && owner.ssv == 1 && owner.ssid != at.number) return;
    check_interval_for(tag, place, ends, 0, ~u64{0});
  });
}

// ---- intervals ----------------------------------------------------------------------------------

void Monitor::check_interval(u32 tag, u64 first, u64 last) {
  if (const auto walker = caches_.walker_of(tag)) return check_walker(*walker, first, last);
  // Devices that are promised the same are compared once for each number.
  std::array<Place, 8> compared;
  std::size_t count = 0;
  const auto same = [&](const Place& a, const Place& b) {
    return a.at == b.at && (a.device == b.device ||
                            (!in_call_ && !a.at.present &&
                             interface_.domain_of(a.device) == interface_.domain_of(b.device)));
  };
  const bool untagged = spec::is_atc_tag(tag) && caches_.atc_owner(tag).ssv == 0;
  caches_.streams_of(tag, [&](u32 sid, u32 ssid) {
    if (setup_.devices.empty()) return;
    const u32 device = interface_.device_of(sid);
    Place place{device, sid, {}};
    if (ssid != 0 && !untagged) place.at = spec::sva::substream(ssid);
    for (std::size_t i = 0; i < count; ++i) {
      if (same(compared[i], place)) return;
    }
    if (count < compared.size()) compared[count++] = place;
    check_interval_for(tag, place, ends_at(place), first, last);
  });
}

/// Of one that has a table which is promised something. An access through it never waits.
void Monitor::check_walker(u32 walker, u64 first, u64 last) {
  if (!caches_.walks_now(walker) || interface_.table_of_walker(walker) == 0) return;
  const Place place{.device = walker, .sid = 0, .at = {}, .walker = true};
  check_interval_for(caches_.tag_of_walker(walker), place, {.stall = false, .abort = true}, first,
                     last);
}

Alternatives Monitor::allowed_at(const Place& place, u64 va) const {
  return place.walker ? interface_.expected_of_walker(place.device, va)
                      : interface_.expected_during(place.device, place.at, va);
}

void Monitor::check_interval_for(u32 tag, const Place& place, Ends ends, u64 first, u64 last) {
  if ((!place.walker && vanishes(place.device)) || endless_ || caches_.stands_still()) return;
  // The other StreamIDs of a device, and what is asked once more of a part.
  const Compared whole{tag, place.device, place.at, ends};
  if (std::ranges::find(compared_, whole) != compared_.end()) return;
  u64 va = first;
  spec::Pieces pieces(caches_, tag, scratch_);
  // Tables that a broken driver made, one leading to itself or a global leaf, may have pieces
  // without end.
  constexpr u64 pieces_max = u64{1} << 16;
  for (u64 number = 0;; ++number) {
    Alternatives allowed = allowed_at(place, va);
    if (allowed.gave_up || number == pieces_max) {
      endless_ |= number == pieces_max;
      gave_up_ = true;
      return;
    }
    pieces.move_to(va, std::min(last, allowed.last));
    if (caches_.stands_still()) return;  // it found not all
    const u64 end = std::min(allowed.last, pieces.last());
    ++statistics_.outcomes_judged;
    if (!check_piece(tag, place, ends, va, allowed)) return;
    if (end >= last || end == ~u64{0}) break;
    va = end + 1;
  }
  if (first == 0 && last == ~u64{0}) compared_.push_back(whole);
}

/// The candidates in scratch_ against what is promised at `va`.
bool Monitor::check_piece(u32 tag, const Place& place, Ends ends, u64 va,
                          const Alternatives& allowed) {
  // What nothing is mapped at, and what no call has touched, nobody breaks by accident.
  const bool mapped = promises_state(allowed, State::mapped);
  const bool touched = !touched_.empty();
  const bool transient = allowed.concerned || in_call_;
  count(rule_for(allowed), mapped || touched);
  if (!transient && !mapped) count(spec::Rule::PAGE_REUSE, touched);
  if (scratch_.size() > 1) count(spec::Rule::CONFLICT_TLB);
  if (breach_of(tag, ends, va, allowed).kind == Breach::Kind::none) return true;
  // The finding says all that a look-up of this very address may meet.
  scratch_.clear();
  caches_.collect(tag, va, scratch_);
  const Breach breach = breach_of(tag, ends, va, allowed);
  if (breach.kind == Breach::Kind::none) return true;
  report_breach(breach, tag, place, va, allowed);
  return false;
}

void Monitor::report_breach(const Breach& breach, u32 tag, const Place& place, u64 va,
                            const Alternatives& allowed) {
  const bool settled = !allowed.concerned && !in_call_ && !promises_state(allowed, State::mapped);
  spec::Rule rule = rule_for(allowed);
  May may{.kind = May::Kind::anything};
  std::vector<spec::Cause> causes;
  switch (breach.kind) {
    case Breach::Kind::none: return;
    case Breach::Kind::tags_differ:
      rule = spec::Rule::TAG_REGIMES;
      may.rule = rule;
      causes.emplace_back();
      causes.back().kind = spec::Cause::Kind::tags_differ;
      causes.back().va = va;
      break;
    case Breach::Kind::unknown:
      rule = spec::Rule::WILD_WALK;
      causes.push_back(caches_.cause_of(*breach.candidate, va));
      break;
    case Breach::Kind::reaches: {
      const Candidate& c = *breach.candidate;
      if (settled && (c.item != 0 || c.from_atc())) rule = spec::Rule::PAGE_REUSE;
      may = reached(c, va);
      causes.push_back(caches_.cause_of(c, va));
      break;
    }
    case Breach::Kind::conflict:
      rule = spec::Rule::CONFLICT_TLB;
      for (const Candidate& c : scratch_) {
        if (c.kind != Candidate::Kind::fault) causes.push_back(caches_.cause_of(c, va));
      }
      break;
    case Breach::Kind::fault:
      may.kind = breach.fault;
      causes.push_back(caches_.cause_of_fault(tag, va, scratch_));
      break;
  }
  Finding finding = finding_of(rule, {});
  finding.where = where(place);
  finding.where.address = va;
  finding.hardware.push_back(std::move(may));
  promise(finding, allowed);
  finding.objects = states_of(place);
  finding.causes = std::move(causes);
  find(std::move(finding));
}

/// The first of what a look-up that meets scratch_ may do and nothing promises.
Monitor::Breach Monitor::breach_of(u32 tag, Ends ends, u64 va, const Alternatives& allowed) const {
  using Kind = Breach::Kind;
  if (caches_.tag_is_broken(tag)) return {.kind = Kind::tags_differ};
  // An ATC that holds nothing asks again.
  bool fault = scratch_.empty() && !spec::is_atc_tag(tag);
  for (const Candidate& c : scratch_) {
    if (c.kind == Candidate::Kind::unknown) return {.kind = Kind::unknown, .candidate = &c};
    if (c.kind == Candidate::Kind::fault) fault = true;
    if (c.kind != Candidate::Kind::leaf) continue;
    const bool types = !setup_.not_claimed.has(Claim::memory_type) &&
                       caches_.regime(c.space.regime).mair != spec::unknown_mair;
    if (!promises_translation(allowed, c, va, types))
      return {.kind = Kind::reaches, .candidate = &c};
  }
  if (!allowed.callers && caches_.in_conflict(scratch_)) return {.kind = Kind::conflict};
  if (!fault) return {};
  const bool waits = promises_state(allowed, State::waits);
  if (ends.stall && !waits) return {.kind = Kind::fault, .fault = May::Kind::fault_waits};
  if (ends.abort && !promises_end(allowed)) {
    return {.kind = Kind::fault, .fault = waits ? May::Kind::fault_at_once : May::Kind::fault};
  }
  return {};
}

/// Whether the device is gone, and only its driver's work on that is not done.
bool Monitor::vanishes(u32 device) const {
  const auto is_its = [&](const Running& running) {
    return running.kind == Running::Kind::removal && running.call.device == device;
  };
  return (in_call_ && is_its(running_)) || std::ranges::any_of(waiting_, is_its);
}

Where Monitor::where(const Place& place) const {
  if (place.walker) {
    Where where{.walker = true};
    if (place.device < interface_.device_count()) where.device = place.device;
    return where;
  }
  Where where{.sid = place.sid};
  where.nobodys = is_nobodys(place.sid);
  if (!where.nobodys) where.device = place.device;
  if (place.at.present) where.pasid = place.at.number;
  return where;
}

std::vector<ObjectState> Monitor::states_of(const Place& place) {
  if (place.walker || is_nobodys(place.sid)) return {};
  const u64 handle = interface_.domain_of(place.device);
  // What is fed has the trace's numbers already.
  const bool live = sink_ != nullptr && handle != 0;
  return {{.device = place.device, .domain = live ? numbers_.domains.number(handle) : handle}};
}

May Monitor::reached(const Candidate& c, u64 va) {
  const auto rights = [](const auto& its) {
    return AccessRights{its.read.value, its.write.value, its.execute.value};
  };
  return {.kind = May::Kind::reach,
          .pa = c.leaf.output + (va - c.va),
          .user = rights(c.leaf.unprivileged),
          .privileged = rights(c.leaf.privileged),
          .attr = c.leaf.attr,
          .device = is_device_memory(c.leaf)};
}

void Monitor::check_whole_space() {
  window_ends();
  if (!promises_on_) return;
  compared_.clear();
  // As if every stream had changed: none counts as compared already.
  touched_streams_.clear();
  for (u32 device = 0; device < interface_.device_count(); ++device) {
    for (const u32 sid : interface_.stream_ids(device)) touched_streams_.push_back({sid});
  }
  check_stream({every_stream});
  interface_.for_each_walker([&](u32 walker) { check_walker(walker, 0, ~u64{0}); });
  touched_streams_.clear();
}

}  // namespace iommucheck::oracle
