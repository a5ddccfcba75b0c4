// SPDX-License-Identifier: MIT
#include "monitor/interval_promises.h"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>

#include "spec/rules/promises.h"
#include "spec/smmu/causes.h"
#include "spec/smmu/pieces.h"
#include "spec/smmu/visits.h"
#include "spec/smmu/walker.h"

namespace iommucheck::oracle {

namespace {

using spec::Candidate;
using spec::sva::Alternatives;
using spec::sva::Promise;
using spec::sva::State;

/// Accesses that tell what a place is promised from what it is not. Without a leaf to look at all
/// end alike; rights of privileged accesses are promised by privileged mappings alone.
std::span<const spec::AccessKind> kinds_that_tell(const std::vector<Candidate>& met,
                                                  const Alternatives& allowed) {
  using spec::AccessType;
  static constexpr spec::AccessKind kinds[] = {{AccessType::read, false},
                                               {AccessType::write, false},
                                               {AccessType::execute, false},
                                               {AccessType::read, true},
                                               {AccessType::write, true}};
  const std::span<const spec::AccessKind> all(kinds);
  constexpr auto is_leaf = [](const Candidate& c) { return c.kind == Candidate::Kind::leaf; };
  if (std::ranges::none_of(met, is_leaf)) return all.first(1);
  for (u32 i = 0; i < allowed.count; ++i) {
    const Promise& promise = allowed.promises[i];
    const bool privileged = (promise.prot & spec::sva::prot_privileged) != 0;
    if (promise.state != State::mapped || privileged) return all;
  }
  return all.first(3);
}

/// Stage 2 has one set of rights for data, whatever the privilege: there PRIVILEGED asks for
/// nothing.
void forget_privilege(Alternatives& allowed) {
  for (u32 i = 0; i < allowed.count; ++i) {
    allowed.promises[i].prot &= ~u32{spec::sva::prot_privileged};
  }
}

}  // namespace

void IntervalPromises::promise(Finding& finding, const Alternatives& allowed) {
  finding.promised = promised_of(allowed);
  finding.transient = allowed.concerned;
}

spec::Rule IntervalPromises::rule_for(const Alternatives& allowed) const {
  if (allowed.concerned) return spec::rule::PROMISE_TRANSIENT;
  return in_call() ? spec::rule::PROMISE_UNDISTURBED : spec::rule::PROMISE_OUTCOME;
}

/// By which configurations the place looks up the tag now; none where it cannot.
IntervalPromises::Lookups IntervalPromises::lookups_at(const Place& place, u32 tag) {
  Lookups lookups;
  if (spec::is_atc_tag(tag)) return lookups;
  const spec::StreamOptions& known = ways_at(place);
  if (!known.complete) give_up_on(place);
  for (const spec::StreamOption& option : known.options) {
    const auto same = [&](const spec::StreamOption& o) { return o.looks_up_like(option); };
    if (option.regime == 0 || option.tag != tag) continue;
    if (std::ranges::none_of(lookups, same)) lookups.push_back(option);
  }
  return lookups;
}

/// Its device is on a domain of a user's.
bool IntervalPromises::is_on_a_user(const Place& place) const {
  return interface_.expected_within(place.device, place.at, 0).count != 0;
}

// ---- intervals ----------------------------------------------------------------------------------

void IntervalPromises::check_interval(u32 tag, u64 first, u64 last) {
  if (const auto walker = caches_.walkers().of_tag(tag)) return check_walker(*walker, first, last);
  // Devices that are promised the same are compared once for each number.
  std::array<Place, 8> compared;
  std::size_t count = 0;
  const auto same = [&](const Place& a, const Place& b) {
    return a.at == b.at && (a.device == b.device ||
                            (!in_call() && !a.at.present &&
                             interface_.domain_of(a.device) == interface_.domain_of(b.device)));
  };
  const bool untagged = spec::is_atc_tag(tag) && caches_.atc_owner(tag).ssv == 0;
  streams_of(caches_.view(), tag, [&](u32 sid, u32 ssid) {
    if (setup_.devices.empty()) return;
    const u32 device = device_here(sid);
    Place place{device, sid, {}};
    if (ssid != 0 && !untagged) place.at = spec::sva::substream(ssid);
    for (std::size_t i = 0; i < count; ++i) {
      if (same(compared[i], place)) return;
    }
    if (count < compared.size()) compared[count++] = place;
    check_interval_for(tag, place, first, last);
    if (place.at.present || spec::is_atc_tag(tag)) return;
    // What is the RID's by CD 0 is PASID 0's as well unless STE.S1DSS = 0b10.
    check_interval_for(tag, {device, sid, spec::sva::substream(0)}, first, last);
  });
}

/// Of one that has a table which is promised something. An access through it never waits.
void IntervalPromises::check_walker(u32 walker, u64 first, u64 last) {
  if (!caches_.walkers().walks_now(walker) || interface_.table_of_walker(walker) == 0) return;
  const Place place{.device = walker, .sid = 0, .at = {}, .walker = true};
  check_interval_for(caches_.walkers().tag_of(walker), place, first, last);
}

/// Of the accesses of one that is on a user's domain only what stage 2 makes of them counts.
bool IntervalPromises::is_contained(const Question& asked) const {
  if (!spec::is_atc_tag(asked.tag)) return !asked.lookups.empty() && asked.lookups[0].contained;
  return caches_.atc_owner(asked.tag).ssv == spec::AtcOwner::contained;
}

/// An address of a user's is an intermediate one where stage 2 alone translates it, too.
Alternatives IntervalPromises::allowed_at(const Question& asked, u64 va) const {
  const Place& place = asked.place;
  if (place.walker) return interface_.expected_of_walker(place.device, va);
  const Alternatives parents = interface_.expected_within(place.device, place.at, va);
  // What a device has cached outlives its stay with a user.
  if (is_contained(asked) && parents.count != 0) return parents;
  Alternatives allowed = interface_.expected_during(place.device, place.at, va);
  if (parents.count == 0) return allowed;
  allowed.add({.state = State::within});
  const bool stage2 =
      !spec::is_atc_tag(asked.tag) && caches_.tag(asked.tag).stage == spec::Stage::stage2;
  if (!stage2) return allowed;
  for (u32 i = 0; i < parents.count; ++i) allowed.add(parents.promises[i]);
  allowed.ends_at(parents.last);
  allowed.concerned |= parents.concerned;
  allowed.callers |= parents.callers;
  allowed.gave_up |= parents.gave_up;
  return allowed;
}

void IntervalPromises::check_interval_for(u32 tag, const Place& place, u64 first, u64 last) {
  if ((!place.walker && vanishes(place.device)) || endless_ || caches_.stands_still()) return;
  if (place.walker) {
    Lookups lookups;
    lookups.push_back(caches_.walkers().way_of(place.device));
    return check_lookups({.tag = tag, .place = place, .lookups = lookups}, first, last);
  }
  // What is promised depends on whether stage 1 is a user's.
  Lookups plain, contained;
  for (const spec::StreamOption& way : lookups_at(place, tag)) {
    (way.contained ? contained : plain).push_back(way);
  }
  if (!contained.empty()) {
    check_lookups({.tag = tag, .place = place, .lookups = contained}, first, last);
  }
  if (plain.empty() && !spec::is_atc_tag(tag)) return;
  check_lookups({.tag = tag, .place = place, .lookups = plain}, first, last);
}

void IntervalPromises::check_lookups(const Question& asked, u64 first, u64 last) {
  const auto& [tag, place, lookups, alias] = asked;
  // The other StreamIDs of a device, and what is asked once more of a part.
  const Compared now{tag, place.device, place.at, lookups, first, last};
  const auto takes_in = [&](const Compared& before) { return before.takes_in(now); };
  if (std::ranges::any_of(compared_, takes_in)) return;
  if (!compare(asked, first, last)) return;
  // Where top bytes are ignored, each address has others that are looked up alike.
  constexpr u64 halves = mask(54, 0);
  for (unsigned half = 0; half < 2; ++half) {
    if (lookups.empty() || !caches_.lookups().ignores_top_bytes(tag, half)) continue;
    const Question question{.tag = tag, .place = place, .lookups = lookups, .alias = pow2(56)};
    const u64 low = half == 0 ? first : std::max(first, ~halves);
    const u64 high = half == 0 ? std::min(last, halves) : last;
    if (low <= high && !compare(question, low, high)) return;
  }
  // Of many parts few are asked again, and each question would look at all of them.
  constexpr std::size_t parts_max = 16;
  if ((first == 0 && last == ~u64{0}) || compared_.size() < parts_max) compared_.push_back(now);
}

/// Piece by piece. False: one is not as promised, which is not known, or there is no telling.
bool IntervalPromises::compare(const Question& asked, u64 first, u64 last) {
  u64 va = first;
  spec::Pieces pieces(caches_.lookups(), asked.tag, scratch_);
  const auto by_stage2 = [](const spec::StreamOption& way) {
    return way.kind == spec::SteKind::stage2 || way.contained;
  };
  const bool of_stage2 =
      spec::is_atc_tag(asked.tag)
          ? is_contained(asked) || std::ranges::any_of(ways_at(asked.place).options, by_stage2)
          : caches_.tag(asked.tag).stage == spec::Stage::stage2;
  // Tables that a broken driver made, one leading to itself or a global leaf, may have pieces
  // without end; what is cached beside them has two ends each.
  const u64 pieces_max = (u64{1} << 16) + 2 * (caches_.items_alive() + caches_.atc_items_alive());
  for (u64 number = 0;; ++number) {
    const u64 sent = va ^ asked.alias;
    Alternatives allowed = allowed_at(asked, sent);
    if (of_stage2) forget_privilege(allowed);
    if (allowed.gave_up) {
      give_up_on_promises(asked.place, allowed);
      return false;
    }
    if (number == pieces_max) {
      endless_ = true;
      give_up(fmt::format("{} has more than {} intervals that differ",
                          where_text(where(asked.place)), pieces_max));
      return false;
    }
    const u64 alike = va + (allowed.last - sent);
    const u64 promised_until = alike < va ? ~u64{0} : alike;
    pieces.move_to(va, std::min(last, promised_until));
    if (caches_.stands_still()) return false;  // it found not all
    const u64 end = std::min(promised_until, pieces.last());
    count_judged();
    if (!check_piece(asked, va, allowed)) return false;
    if (end >= last || end == ~u64{0}) return true;
    va = end + 1;
  }
}

/// The candidates in scratch_ against what is promised at `va`.
bool IntervalPromises::check_piece(const Question& asked, u64 va, const Alternatives& allowed) {
  // What nothing is mapped at, and what no call has touched, nobody breaks by accident.
  const bool mapped = promises_state(allowed, State::mapped);
  const bool touched = !case_.calls.touched.intervals().empty();
  const bool transient = allowed.concerned || in_call();
  count(rule_for(allowed), mapped || touched);
  if (!transient && !mapped) count(spec::rule::PAGE_REUSE, touched);
  if (scratch_.size() > 1) count(spec::rule::CONFLICT_TLB);
  if (breach_of(asked, va, allowed).kind == Breach::Kind::none) return true;
  // The finding says all that a look-up of this very address may meet.
  scratch_.clear();
  caches_.lookups().collect(asked.tag, va, scratch_);
  const Breach breach = breach_of(asked, va, allowed);
  if (breach.kind == Breach::Kind::none) return true;
  find_by(
      [&](spec::Misses misses) { return finding_of_breach(breach, asked, va, allowed, misses); });
  return findings().empty();
}

namespace {

/// What a TLB or a walk cache holds.
bool is_cached(spec::Cause::Kind kind) {
  using Kind = spec::Cause::Kind;
  return kind == Kind::cached_pointer || kind == Kind::cached_translation ||
         kind == Kind::cached_unknown || kind == Kind::cached_combined;
}

/// A word of a table that is there now, or where the tables end.
bool stands_in_memory(const spec::Cause& cause) {
  using Kind = spec::Cause::Kind;
  return cause.kind == Kind::word || cause.kind == Kind::global_word ||
         cause.kind == Kind::unknown_word || cause.kind == Kind::beyond_input ||
         cause.kind == Kind::half_disabled;
}

bool promises_to_reach(const Alternatives& allowed, u64 pa) {
  return std::any_of(
      allowed.promises.begin(), allowed.promises.begin() + allowed.count,
      [&](const spec::sva::Promise& its) { return its.state == State::mapped && its.pa == pa; });
}

}  // namespace

Finding IntervalPromises::finding_of_breach(const Breach& breach, const Question& asked, u64 va,
                                            const Alternatives& allowed, spec::Misses misses) {
  Effect effect = effect_of(breach, asked.tag, va, allowed, misses);
  const bool reaches = breach.kind == Breach::Kind::reaches;
  const bool leads_where_promised = reaches && promises_to_reach(allowed, effect.may.pa);
  Finding finding = finding_of(effect.rule, {});
  finding.where = where(asked.place);
  finding.where.address = va ^ asked.alias;
  finding.causes = std::move(effect.causes);
  add_configuration(breach, asked, leads_where_promised, misses, finding);
  finding.hardware.push_back(std::move(effect.may));
  promise(finding, allowed);
  finding.objects = states_of(asked.place);
  return finding;
}

IntervalPromises::Effect IntervalPromises::effect_of(const Breach& breach, u32 tag, u64 va,
                                                     const Alternatives& allowed,
                                                     spec::Misses misses) const {
  const spec::CachesView& view = caches_.view();
  const bool settled = !allowed.concerned && !in_call() && !promises_state(allowed, State::mapped);
  Effect effect{.rule = rule_for(allowed), .may = {.kind = May::Kind::anything}, .causes = {}};
  auto& [rule, may, causes] = effect;
  switch (breach.kind) {
    case Breach::Kind::none: break;
    case Breach::Kind::tags_differ:
      rule = breach.outcome.rule;
      may.rule = rule;
      causes.emplace_back();
      causes.back().kind = spec::Cause::Kind::tags_differ;
      causes.back().va = va;
      break;
    case Breach::Kind::from_reset:
      rule = spec::rule::UNKNOWN_AFTER_RESET;
      may.rule = rule;
      causes.push_back(cause_of(view, breach.outcome, misses));
      break;
    case Breach::Kind::unknown:
      rule = spec::rule::WILD_WALK;
      causes.push_back(breach.candidate != nullptr ? cause_of(view, *breach.candidate, va, misses)
                                                   : cause_of(view, breach.outcome, misses));
      break;
    case Breach::Kind::reaches: {
      const Candidate& c = *breach.candidate;
      if (settled && (c.item != 0 || c.from_atc())) rule = spec::rule::PAGE_REUSE;
      may = reached(c, va);
      may.memory = attributes_text(breach.outcome.kind == spec::OutcomeKind::translation
                                       ? breach.outcome.memory
                                       : spec::attributes_of_mair(c.leaf.attr, c.leaf.sh));
      causes.push_back(cause_of(view, c, va, misses));
      break;
    }
    case Breach::Kind::conflict:
      rule = spec::rule::CONFLICT_TLB;
      for (const Candidate& c : scratch_) {
        if (c.kind != Candidate::Kind::fault) causes.push_back(cause_of(view, c, va, misses));
      }
      break;
    case Breach::Kind::fault:
      may.kind = breach.fault;
      causes.push_back(cause_of_fault(view, tag, va, scratch_, misses));
      break;
    case Breach::Kind::refused:
      may = may_of(breach.outcome);
      causes.push_back(cause_of(view, breach.outcome, misses));
      break;
  }
  return effect;
}

/// By what a configuration cache may hold the tables themselves may be reached. What is cached of
/// them comes first where it is what the access meets. What an ATC holds is used as it is, but the
/// stream's configuration may refuse it.
/// What memory says of it does not concern what its own tables say; and where they lead to what is
/// promised, their rights or attributes are wrong, and come first.
void IntervalPromises::add_configuration(const Breach& breach, const Question& asked,
                                         bool leads_where_promised, spec::Misses misses,
                                         Finding& finding) const {
  const auto& [tag, place, lookups, alias] = asked;
  if (place.walker) return;
  const spec::CachesView& view = caches_.view();
  std::vector<spec::Cause>& causes = finding.causes;
  const bool by_memory =
      breach.kind == Breach::Kind::reaches && breach.candidate->item == 0 &&
      !breach.candidate->from_atc() &&
      memory_forms(view, place.sid, finding.where.pasid, breach.candidate->space.regime);
  const bool by_atc = spec::is_atc_tag(tag);
  if (!by_memory && (!by_atc || breach.kind == Breach::Kind::refused)) {
    const bool from_memory =
        causes.empty() || (!is_cached(causes.front().kind) && !leads_where_promised);
    const auto ways = causes_of_stream(view, place.sid, finding.where.pasid, misses);
    causes.insert(from_memory ? causes.begin() : causes.end(), ways.begin(), ways.end());
  }
  // Where all of it stands in memory, what is wrong may stand in any word on the way.
  if (!by_atc && !causes.empty() && std::ranges::all_of(causes, stands_in_memory)) {
    const auto path = path_in_memory(view, place.sid, finding.where.pasid);
    causes.insert(causes.begin(), path.begin(), path.end());
  }
}

/// The first of what an access that meets scratch_ may do and nothing promises: each outcome is
/// what outcomes() has of this address by this configuration, or by this ATC.
IntervalPromises::Breach IntervalPromises::breach_of(const Question& asked, u64 va,
                                                     const Alternatives& allowed) {
  const bool atc = spec::is_atc_tag(asked.tag);
  const bool at_pasid = asked.place.at.present || asked.place.walker;
  spec::Access access = access_at(asked.place, va ^ asked.alias);
  // Without a PASID a device asks by ATS for neither privilege nor execution. IHI 0070 13.7.
  const auto by_ats = [&](spec::AccessKind kind) {
    const bool askable = !kind.privileged && kind.type != spec::AccessType::execute;
    return asked.place.at.present || askable || is_contained(asked);
  };
  const auto ask = [&](spec::AccessKind kind, bool heed_conflicts) {
    access.type = kind.type;
    access.privileged = kind.privileged;
    outcomes_.clear();
    if (atc) caches_.ats_accesses().by_atc(asked.tag, access, outcomes_);
    for (const spec::StreamOption& way : asked.lookups) {
      caches_.accesses().outcomes_by(way, access, scratch_, heed_conflicts, outcomes_);
    }
  };
  const bool asks = !asked.place.walker && interface_.asks_for_pages(asked.place.device);
  const bool any_execution = setup_.not_claimed.has(Claim::execution);
  for (const spec::AccessKind kind : kinds_that_tell(scratch_, allowed)) {
    if (kind.type == spec::AccessType::execute && any_execution) continue;
    if (atc && !by_ats(kind)) continue;
    ask(kind, false);
    for (const spec::Outcome& outcome : outcomes_) {
      // Stage 2 is asked once more, and is compared itself.
      if (outcome.kind == spec::OutcomeKind::within && is_contained(asked)) continue;
      // What ATCs have kept over a time-out nobody could remove.
      if (any_timed_out() && outcome.event == spec::EventType::f_transl_forbidden) continue;
      if (permits(allowed, at_pasid, asks, kind, outcome, asked_of_attributes(asked))) continue;
      return breach_by(outcome, allowed);
    }
  }
  if (atc || allowed.callers || scratch_.size() < 2) return {};
  ask({}, true);
  const auto conflict = [](const spec::Outcome& o) { return o.rule == spec::rule::CONFLICT_TLB; };
  if (std::ranges::any_of(outcomes_, conflict)) return {.kind = Breach::Kind::conflict};
  return {};
}

IntervalPromises::Breach IntervalPromises::breach_by(const spec::Outcome& outcome,
                                                     const Alternatives& allowed) const {
  using Kind = Breach::Kind;
  const auto its = [&](Candidate::Kind kind) -> const Candidate* {
    const auto found = std::ranges::find_if(scratch_, [&](const Candidate& c) {
      return c.kind == kind && c.item == outcome.item && c.atc == outcome.atc &&
             (c.from_atc() || c.origin == outcome.origin);
    });
    return found == scratch_.end() ? nullptr : &*found;
  };
  Breach breach{.kind = Kind::fault, .candidate = its(Candidate::Kind::leaf), .outcome = outcome};
  if (outcome.kind == spec::OutcomeKind::any) {
    breach.candidate = its(Candidate::Kind::unknown);
    breach.kind = outcome.rule == spec::rule::TAG_REGIMES           ? Kind::tags_differ
                  : outcome.rule == spec::rule::TAG_STAGE2          ? Kind::tags_differ
                  : outcome.rule == spec::rule::UNKNOWN_AFTER_RESET ? Kind::from_reset
                                                                    : Kind::unknown;
    return breach;
  }
  const bool refused = outcome.kind != spec::OutcomeKind::fault ||
                       outcome.event == spec::EventType::f_transl_forbidden;
  const bool reaches = outcome.passes() || outcome.event == spec::EventType::f_permission;
  if (reaches && breach.candidate != nullptr) {
    breach.kind = Kind::reaches;
  } else if (refused) {
    breach.kind = Kind::refused;
  } else if (outcome.stalled()) {
    breach.fault = May::Kind::fault_waits;
  } else if (promises_state(allowed, State::waits)) {
    breach.fault = May::Kind::fault_at_once;
  }
  return breach;
}

/// Which memory attributes count: none where the driver does not claim them, or where nobody has
/// said what MAIR a walker has. An SMMU that is not coherent promises no way to look into caches.
AttributesAsked IntervalPromises::asked_of_attributes() const {
  if (setup_.not_claimed.has(Claim::memory_type)) return AttributesAsked::none;
  return caches_.capabilities().cohacc ? AttributesAsked::coherent : AttributesAsked::type;
}

AttributesAsked IntervalPromises::asked_of_attributes(const Question& asked) const {
  const bool unknown =
      asked.place.walker && caches_.regime(asked.lookups[0].regime - 1).mair == spec::unknown_mair;
  return unknown ? AttributesAsked::none : asked_of_attributes();
}

std::vector<ObjectState> IntervalPromises::states_of(const Place& place) {
  if (place.walker || is_nobodys(place.sid)) return {};
  const u64 handle = interface_.domain_of(place.device);
  // What is fed has the trace's numbers already.
  const bool live = sink_ != nullptr && handle != 0;
  return {{.device = place.device,
           .domain = live ? case_.calls.numbers.domains.number(handle) : handle}};
}

May IntervalPromises::reached(const Candidate& c, u64 va) {
  const auto rights = [](const auto& its) {
    return AccessRights{its.read.value, its.write.value, its.execute.value};
  };
  return {.kind = May::Kind::reach,
          .pa = c.leaf.output + (va - c.va),
          .user = rights(c.leaf.unprivileged),
          .privileged = rights(c.leaf.privileged),
          .attr = c.leaf.attr,
          .device = (c.leaf.attr & 0xf0) == 0};
}

}  // namespace iommucheck::oracle
