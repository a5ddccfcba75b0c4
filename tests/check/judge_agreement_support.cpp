// SPDX-License-Identifier: MIT
#include "tests/check/judge_agreement_support.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/bits.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"
#include "spec/smmu/visits.h"
#include "spec/sva/call.h"

namespace iommucheck::test {

namespace {

using oracle::Finding;
using oracle::Monitor;
using spec::AccessKind;
using spec::AccessType;
using spec::Outcome;
using spec::OutcomeKind;
using spec::sva::Alternatives;
using spec::sva::Promise;
using spec::sva::State;
using spec::sva::Substream;

constexpr std::size_t addresses_max = 48;  // of a place

struct Place {
  u32 device = 0;
  u32 sid = 0;
  Substream at;
  bool walker = false;  ///< beside the SMMU, of number `device`
};

// ---- what is promised, by a table of its own ----------------------------------------------------

bool lets_through(u32 prot, AccessKind kind, bool& says) {
  using namespace spec::sva;
  const bool privileged = (prot & prot_privileged) != 0;
  says = true;
  if (kind.type == AccessType::execute) {
    says = !privileged && !kind.privileged;
    return (prot & prot_exec) != 0;
  }
  if (kind.privileged && !privileged) says = false;
  if (privileged && !kind.privileged) return false;
  return kind.type == AccessType::read || (prot & prot_write) != 0;
}

bool is_coherent(const Outcome& o) {
  const u64 inner = o.attr & 15, outer = o.attr >> 4;
  const auto write_back = [](u64 nibble) { return nibble > 11 || (nibble > 4 && nibble < 8); };
  const bool shared =
      o.memory.sh == spec::Shareability::inner || o.memory.sh == spec::Shareability::outer;
  return write_back(outer) && (write_back(inner) || o.attr == 0xf0) && shared;
}

bool allows(const Promise& promise, AccessKind kind, const Outcome& o, bool coherent) {
  bool says = false;
  const bool granted = lets_through(promise.prot, kind, says);
  const bool device = (promise.prot & spec::sva::prot_device) != 0;
  switch (promise.state) {
    case State::mapped: {
      if (o.kind == OutcomeKind::fault) {
        return o.event == spec::EventType::f_permission && (!granted || !says);
      }
      if (o.kind != OutcomeKind::translation || o.pa != promise.pa) return false;
      if (says && !granted) return false;
      const bool is_device = (o.attr & 0xf2) == 0;
      if (device) return is_device;
      return coherent ? is_coherent(o) : (o.attr & 0xf0) != 0 && o.attr != 0x80;
    }
    case State::identity: return o.kind == OutcomeKind::bypass;
    case State::waits: return o.stalled();
    case State::within:
      return o.kind == OutcomeKind::within || o.kind == OutcomeKind::fault ||
             o.kind == OutcomeKind::abort;
    default: return false;
  }
}

bool is_promised(const Alternatives& allowed, bool at_pasid, AccessKind kind, const Outcome& o,
                 bool coherent) {
  if (o.kind == OutcomeKind::denied) return true;
  bool tables = at_pasid, nothing = false, unmapped = false, identity = false;
  for (u32 i = 0; i < allowed.count; ++i) {
    const Promise& promise = allowed.promises[i];
    if (allows(promise, kind, o, coherent)) return true;
    const State state = promise.state;
    tables |= state == State::mapped || state == State::unmapped || state == State::waits;
    nothing |= state == State::blocked || state == State::no_pasid || state == State::quiet;
    unmapped |= state == State::unmapped;
    identity |= state == State::identity;
  }
  if (o.kind == OutcomeKind::abort) return nothing;
  if (o.kind != OutcomeKind::fault) return false;
  if (o.event == spec::EventType::f_transl_forbidden) {
    const State only = allowed.promises[0].state;
    const bool comes_through = only == State::identity || only == State::mapped;
    return allowed.concerned || allowed.count != 1 || !comes_through;
  }
  if (!spec::is_translation_fault(o.event)) return nothing;
  const bool beyond = o.rule == spec::rule::STE_BYPASS_SIZE || o.rule == spec::rule::S1_BYPASS_SIZE;
  if (beyond) return identity;
  return tables && (nothing || unmapped) &&
         (!o.stalled() || o.event == spec::EventType::f_permission);
}

// ---- places and addresses -----------------------------------------------------------------------

std::vector<Place> places_of(Monitor& monitor) {
  std::vector<Place> places;
  const spec::sva::Interface& interface = monitor.interface();
  const auto add = [&](u32 device, u32 sid) {
    std::set<u32> numbers;
    const auto note = [&](u32 number) {
      if (number != 0) numbers.insert(number);
    };
    if (device < interface.device_count()) interface.for_each_substream(device, note);
    substreams_of(monitor.caches().view(), sid, note);
    places.push_back({.device = device, .sid = sid, .at = {}});
    for (const u32 number : numbers) {
      places.push_back({.device = device, .sid = sid, .at = spec::sva::substream(number)});
    }
  };
  for (u32 device = 0; device < interface.device_count(); ++device) {
    for (const u32 sid : interface.stream_ids(device)) add(device, sid);
  }
  for_each_translating_stream(monitor.caches().view(), [&](u32 sid) {
    if (interface.device_of(sid) == interface.device_count()) add(interface.device_count(), sid);
  });
  interface.for_each_walker([&](u32 walker) {
    const bool walks =
        monitor.caches().walkers().walks_now(walker) && interface.table_of_walker(walker) != 0;
    if (walks) places.push_back({.device = walker, .sid = 0, .at = {}, .walker = true});
  });
  return places;
}

/// Where translations begin and end, and promises; and the ends of the halves.
std::vector<u64> addresses_of(Monitor& monitor, const Place& place, const std::set<u64>& met,
                              const std::vector<Finding>& also) {
  std::vector<u64> found = {0,        0x1000,  mask(38, 0), mask(47, 0),      mask(47, 0) + 1,
                            pow2(55), ~u64{0}, pow2(56),    pow2(56) + 0x1000};
  for (const Finding& finding : also) {
    if (finding.where.address) found.push_back(*finding.where.address);
  }
  u64 va = 0;
  for (unsigned i = 0; i < 12; ++i) {
    const Alternatives allowed =
        place.walker ? monitor.interface().expected_of_walker(place.device, va)
                     : monitor.interface().expected_during(place.device, place.at, va);
    found.push_back(va);
    if (allowed.last == ~u64{0}) break;
    found.push_back(allowed.last);
    va = allowed.last + 1;
  }
  for (const u64 one : met) {
    if (found.size() >= addresses_max) break;
    found.push_back(one);
    found.push_back(one ^ pow2(56));
  }
  return found;
}

std::set<u64> translated_addresses(const Monitor& monitor) {
  std::set<u64> met;
  const spec::Caches& caches = const_cast<Monitor&>(monitor).caches();
  caches.lookups().for_each_translation([&](u32, const spec::Candidate& c) {
    met.insert(c.va);
    met.insert(c.va + (pow2(c.extent_lg2) - 1));
  });
  for_each_atc_item(caches.view(), [&](const spec::AtcOwner&, const spec::AtcItem& item) {
    met.insert(item.first);
    met.insert(item.last);
  });
  return met;
}

constexpr AccessKind kinds[] = {{AccessType::read, false},    {AccessType::write, false},
                                {AccessType::execute, false}, {AccessType::read, true},
                                {AccessType::write, true},    {AccessType::execute, true}};

}  // namespace

std::vector<Finding> findings_of(Monitor& monitor) {
  monitor.clear_findings();
  monitor.check_whole_space();
  std::vector<Finding> found;
  for (const Finding& finding : monitor.findings()) {
    // Of traffic that only calls itself translated; outcomes() has none of it.
    if (finding.statement.find("says of itself") == std::string::npos) found.push_back(finding);
  }
  return found;
}

namespace {

/// The first outcome of an access there that is not promised, in words.
std::string unpromised_at(Monitor& monitor, const Place& place, u64 va, AccessKind kind,
                          spec::Route route) {
  const bool coherent = monitor.caches().capabilities().cohacc;
  const Alternatives allowed =
      place.walker ? monitor.interface().expected_of_walker(place.device, va)
                   : monitor.interface().expected_during(place.device, place.at, va);
  if (allowed.gave_up) return {};
  const spec::Access access{.sid = place.sid,
                            .ssid = place.at.number,
                            .ssv = place.at.present,
                            .type = kind.type,
                            .privileged = kind.privileged,
                            .va = va,
                            .route = route};
  std::vector<Outcome> outcomes;
  if (place.walker) {
    monitor.caches().walkers().outcomes(place.device, access, outcomes);
  } else {
    monitor.caches().outcomes(access, [&](const Outcome& o) { outcomes.push_back(o); });
  }
  for (const Outcome& o : outcomes) {
    if (o.not_modelled != spec::NotModelled::no) continue;
    if (is_promised(allowed, place.at.present || place.walker, kind, o, coherent)) continue;
    if (allowed.concerned && o.kind != OutcomeKind::any) continue;
    return fmt::format(
        "{} {:#x} PASID {} at {:#x}: {} of {}, rule {}", place.walker ? "walker" : "stream",
        place.walker ? place.device : place.sid,
        place.at.present ? static_cast<int>(place.at.number) : -1, va, static_cast<int>(o.kind),
        route == spec::Route::translated ? "ATS" : "its own", spec::rule_name(o.rule));
  }
  return {};
}

}  // namespace

std::string unpromised_outcome(Monitor& monitor, const std::vector<Finding>& also) {
  const std::set<u64> met = translated_addresses(monitor);
  for (const Place& place : places_of(monitor)) {
    for (const u64 va : addresses_of(monitor, place, met, also)) {
      for (const spec::Route route : {spec::Route::untranslated, spec::Route::translated}) {
        const bool by_ats = route == spec::Route::translated;
        if (by_ats && (place.walker || !monitor.caches().has_ats(place.sid))) continue;
        for (const AccessKind kind : kinds) {
          const bool told = !kind.privileged && kind.type != AccessType::execute;
          if (by_ats && !place.at.present && !told) continue;
          std::string wrong = unpromised_at(monitor, place, va, kind, route);
          if (!wrong.empty()) return wrong;
        }
      }
    }
  }
  return {};
}

void disturb(oracle::Lockstep& lockstep, u64 random) {
  Monitor& monitor = lockstep.monitor();
  const auto draw = [&](u64 n) {
    random = random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (random >> 33) % n;
  };
  std::vector<const spec::Frame*> frames;  // that say anything
  const oracle::Setup& setup = monitor.setup();
  for (u64 pa = setup.window_pa; pa < setup.window_pa + setup.window_bytes; pa += 4096) {
    const spec::Frame* frame = monitor.caches().memory().find(pa);
    if (frame != nullptr && frame->next_used(0) < spec::frame_words) frames.push_back(frame);
  }
  std::vector<u64> words;  // of one of them, those with a bit for "valid" more often
  if (!frames.empty()) {
    const spec::Frame& frame = *frames[draw(frames.size())];
    for (unsigned i = frame.next_used(0); i < spec::frame_words; i = frame.next_used(i + 1)) {
      const u64 word = frame.words[i];
      words.insert(words.end(), bit(word, 0) || bit(word, 31) ? 8 : 1, frame.address() + 8 * i);
    }
  }
  const u64 what = draw(16);
  if (what == 0) {
    monitor.mmio_write(AgentId::cpu0, spec::reg::cr0, 4,
                       monitor.smmu().cr0() & ~u64{spec::cr0::smmuen}, true);
    spec::FirstChoice choices;
    if (draw(2) == 0) monitor.device_read(AgentId::cpu0, spec::reg::cr0ack, 4, choices);
  } else if (what == 1) {
    const u64 abort = draw(2) == 0 ? u64{spec::gbpa::abort} : 0;
    monitor.mmio_write(AgentId::cpu0, spec::reg::gbpa, 4, u64{spec::gbpa::update} | abort, true);
  } else if (!words.empty() && what < 14) {
    const u64 pa = words[draw(words.size())];
    const u64 before = monitor.caches().memory().newest(pa).value;
    const u64 bit = u64{1} << draw(64);
    const u64 field = draw(3) == 0 ? u64{3} << draw(63) : bit;
    monitor.store(AgentId::cpu0, pa, draw(4) == 0 ? 0 : before ^ field);
  }
  if (draw(2) == 0) monitor.barrier(AgentId::cpu0);
}

}  // namespace iommucheck::test
