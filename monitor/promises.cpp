// SPDX-License-Identifier: MIT
// The four promises: what hardware may do is compared with what the interface promises, interval
// by interval, where something changed. SEMANTICS 5.
//
// A window ends before an invalidation can act, memory is freed, a call returns or an expectation
// changes; and before a version of a table's word goes that came in it after another one, since of
// an invalid descriptor no cache keeps anything. Until then every version that was visible in it is
// still visible or cached, so one comparison at its end has the verdict of one at each store.
#include "monitor/promises.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/inline_vector.h"
#include "spec/rules/promises.h"
#include "spec/smmu/causes.h"
#include "spec/smmu/visits.h"

namespace iommucheck::oracle {

namespace {

using spec::sva::Alternatives;
using spec::sva::State;

constexpr u32 every_stream = ~u32{0};

}  // namespace

void Promises::window_ends() {
  if (hardware_) return compare_hardware();
  if (!case_.promises_on) {
    caches_.changes().clear();
    return;
  }
  if (caches_.dirty().empty() && caches_.dirty_streams().empty()) {
    caches_.changes().clear();
    return;
  }
  check_changes();
}

void Promises::remember_changes() {
  for (const spec::StreamPart& part : caches_.dirty_streams()) case_.calls.touched.stream(part);
  for (const spec::DirtyInterval& interval : caches_.dirty()) {
    case_.calls.touched.interval(interval.tag, interval.first, interval.last);
  }
  caches_.changes().clear();
}

void Promises::check_changes() {
  begin_comparison();
  for (const spec::StreamPart& part : caches_.dirty_streams()) {
    case_.calls.touched.stream(part);
    check_stream(part);
  }
  caches_.dirty_streams().clear();
  // The list may grow no more: nothing below changes the state.
  for (const spec::DirtyInterval& interval : caches_.dirty()) {
    case_.calls.touched.interval(interval.tag, interval.first, interval.last);
    check_interval(interval.tag, interval.first, interval.last);
  }
  caches_.changes().clear();
}

// ---- streams ------------------------------------------------------------------------------------

void Promises::check_device(u32 device) {
  // All its substreams, but not by the part that stands for every stream: 0xffffffff is a StreamID
  // like others where SIDSIZE is 32.
  for (const u32 sid : streams_here(device)) check_stream({sid, 0, ~u32{0} - 1});
}

/// Some way of the place leads to tables.
bool Promises::reaches_tables(const Place& place) const {
  constexpr auto has_tables = [](const spec::StreamOption& way) { return way.regime != 0; };
  return std::ranges::any_of(ways_at(place).options, has_tables);
}

/// What the stream's configuration may be is what the interface says of its device: of the RID's
/// space, and of each PASID at which something is promised or may be met. A stream that is nobody's
/// reaches nothing, as one of a device that is not there.
void Promises::check_stream(const spec::StreamPart& part) {
  if (part.sid == every_stream && part.whole()) {
    for (u32 device = 0; device < interface_.device_count(); ++device) check_device(device);
    for_each_translating_stream(caches_.view(), [&](u32 sid) {
      if (is_nobodys(sid)) check_stream({sid});
    });
    return;
  }
  const u32 device = device_here(part.sid);
  if (setup_.devices.empty()) return;
  if (part.first == 0) {
    check_place({device, part.sid, {}});
    // PASID 0 is nobody's (INTERFACE, PASID 0): what CD 0 yields is the RID's alone.
    const Place zero{device, part.sid, spec::sva::substream(0)};
    if (reaches_tables(zero)) check_place(zero);
  }
  std::vector<u32> numbers;
  const auto add = [&](u32 number) {
    if (number != 0 && part.first <= number && number <= part.last) numbers.push_back(number);
  };
  if (part.first == part.last) {
    add(part.first);
  } else {
    interface_.for_each_substream(device, add);
    substreams_of(caches_.view(), part.sid, add);
    std::ranges::sort(numbers);
    numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  }
  for (const u32 number : numbers) check_place({device, part.sid, spec::sva::substream(number)});
}

/// False: the promise is broken, and was reported; not if that is known.
bool Promises::check_option(const Place& place, const spec::StreamOption& option,
                            const Alternatives& allowed) {
  // What calls itself translated passes unchecked where EATS = 1 (IHI 0070 5.2): whoever has no ATS
  // that was turned on may call itself so as well, and then reaches everything.
  const bool trusted = place.device < setup_.devices.size() && setup_.devices[place.device].ats;
  const bool believes = option.ats && option.regime != 0 && !trusted;
  // At a PASID, tables that yield nothing are as good as none.
  const bool stalls = option.reaction.stall && !place.at.present;
  // What a user's device reaches at all is by stage 2, with stage 1 or without.
  const bool by_stage2 = option.regime != 0 && spec::is_stage2(caches_.regime(option.regime - 1)) &&
                         is_on_a_user(place);
  const bool tables = by_stage2 || (!option.contained && promises_tables(allowed));
  spec::Outcome end;
  if (option.regime == 0) {
    end = caches_.accesses().end_of(option, access_at(place, 0));
    const bool asks = interface_.asks_for_pages(place.device);
    if (permits(allowed, place.at.present, asks, {}, end, asked_of_attributes())) return true;
  } else if (!believes && !stalls && (tables || (place.at.present && !option.contained))) {
    return true;
  }
  May seen = may_of(end);
  seen.rule = option.rule;
  const spec::CachesView& view = caches_.view();
  std::string text;
  if (believes) {
    seen.kind = May::Kind::pass;
    text = "an access of " + where_text(where(place)) +
           " that says of itself that it is translated may pass: EATS of its STE is 1, and nobody "
           "has turned ATS on there";
  } else if (option.regime != 0) {
    seen.kind = stalls ? May::Kind::stalls : May::Kind::translated;
    const spec::Regime<u64>& regime = caches_.regime(option.regime - 1);
    seen.asid = regime.asid;
    if (spec::is_stage2(regime)) seen.vmid = regime.vmid;
  } else if (end.kind == spec::OutcomeKind::bypass && promises_state(allowed, State::identity)) {
    seen.memory = attributes_text(end.memory);
  }
  find_by([&](spec::Misses misses) {
    Finding finding = finding_of(rule_for(allowed), text);
    finding.where = where(place);
    finding.hardware.push_back(seen);
    promise(finding, allowed);
    finding.objects = states_of(place);
    if (option.disabled) {
      finding.causes.push_back(cause_of(view, end, misses));
      return finding;
    }
    finding.causes = causes_of_stream(view, place.sid, finding.where.pasid, misses);
    if (option.event == spec::EventType::none) {
      const auto path = path_in_memory(view, place.sid, finding.where.pasid);
      finding.causes.insert(finding.causes.end(), path.begin(), path.end());
    } else {
      finding.causes.push_back(cause_in_memory(view, place.sid, finding.where.pasid, option));
    }
    return finding;
  });
  return findings().empty();
}

void Promises::check_place(const Place& place) {
  const u32 device = place.device;
  const u32 sid = place.sid;
  const spec::sva::Substream at = place.at;
  // Where the engine follows memory alone, what it knows of configurations is of before.
  if (vanishes(device) || caches_.stands_still()) return;
  const spec::StreamOptions& known = ways_at(place);
  if (!known.complete) return give_up_on(place);
  Alternatives allowed = interface_.expected_during(device, at, 0);
  // Whatever its user writes, and where nothing is known of that.
  if (is_on_a_user(place)) allowed.add({.state = State::within});
  if (allowed.gave_up) return give_up_on_promises(place, allowed);
  for (const spec::StreamOption& option : known.options) {
    if (option.not_modelled != spec::NotModelled::no) return meets_unmodelled(option.not_modelled);
  }
  count_judged();
  count(in_call() ? spec::rule::PROMISE_TRANSIENT : spec::rule::PROMISE_OUTCOME);
  InlineVector<u32, 8> tags;
  for (const spec::StreamOption& option : known.options) {
    if (!check_option(place, option, allowed)) return;
    const bool other = std::ranges::find(tags, option.tag) == tags.end();
    if (option.regime != 0 && other) tags.push_back(option.tag);
  }
  const bool may_be_compared = !at.present && !in_call();
  for (const u32 tag : tags) {
    // Another device of the same domain that uses the tag already has been compared with it.
    bool compared = false;
    const auto look_at = [&](u32 other, u32 ssid) {
      if (ssid != 0 || other == sid) return;
      const u32 its = device_here(other);
      const auto touched = [&](const spec::StreamPart& part) { return part.sid == other; };
      compared |= its != interface_.device_count() &&
                  interface_.domain_of(its) == interface_.domain_of(device) &&
                  std::ranges::none_of(case_.calls.touched.streams(), touched);
    };
    if (may_be_compared) streams_of(caches_.view(), tag, look_at);
    if (!compared) check_interval_for(tag, place, 0, ~u64{0});
  }
  atcs_of(caches_.view(), sid, [&](u32 tag, const spec::AtcOwner& owner) {
    if (owner.ssv != 2 && (owner.ssv == 1) != at.present) return;
    if (at.present && owner.ssv == 1 && owner.ssid != at.number) return;
    check_interval_for(tag, place, 0, ~u64{0});
  });
}

void Promises::check_whole_space() {
  window_ends();
  if (!case_.promises_on || hardware_) return;
  begin_comparison();
  // As if every stream had changed: none counts as compared already.
  std::vector<spec::StreamPart> streams;
  for (u32 device = 0; device < interface_.device_count(); ++device) {
    for (const u32 sid : streams_here(device)) streams.push_back({sid});
  }
  case_.calls.touched.only_streams(std::move(streams));
  check_stream({every_stream});
  interface_.for_each_walker([&](u32 walker) { check_walker(walker, 0, ~u64{0}); });
  case_.calls.touched.only_streams({});
}

}  // namespace iommucheck::oracle
