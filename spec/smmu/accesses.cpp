// SPDX-License-Identifier: MIT
#include "spec/smmu/accesses.h"

#include <algorithm>
#include <iterator>

#include "spec/rules/promises.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"
#include "spec/smmu/readings.h"
#include "spec/smmu/stage_walk.h"
#include "spec/smmu/transaction.h"

namespace iommucheck::spec {

namespace {

void add(std::vector<Outcome>& found, const Outcome& outcome) {
  const auto same = [&](const Outcome& known) { return known.same(outcome); };
  if (std::ranges::none_of(found, same)) found.push_back(outcome);
}

}  // namespace

bool Accesses::collect(const Access& access, std::vector<Outcome>& found) const {
  const StreamOptions& known = fetches_.ways_of(access.sid, access.ssid, access.ssv);
  if (!known.complete) return false;
  for (const StreamOption& way : known.options) {
    if (way.regime == 0) {
      add(found, end_of(way, access));
    } else {
      under(access, way, false, found);
    }
  }
  return true;
}

Outcome Accesses::end_of(const StreamOption& way, const Access& access) const {
  if (way.disabled) return disabled_outcome(caps_, way.kind == SteKind::abort, access.va);
  if (way.any) {
    return {.kind = OutcomeKind::any, .rule = way.rule, .not_modelled = way.not_modelled};
  }
  if (way.event != EventType::none) return fault_outcome(way.event, way.rule);
  if (way.kind == SteKind::abort) return {.kind = OutcomeKind::abort};
  return bypass_outcome(caps_, way.skips_stage1, way.overrides, way.input, access);
}

/// What is known of the access without a look-up, or nothing.
bool Accesses::ends_before_lookup(const StreamOption& option, const Access& access,
                                  std::vector<Outcome>& found) const {
  // Without stage 1 the address is an intermediate one, and no larger than that. IHI 0070 3.4.
  if (option.kind == SteKind::stage2 || option.contained) {
    const Outcome passed = bypass_outcome(caps_, true, option.overrides, option.input, access);
    if (passed.kind == OutcomeKind::fault) {
      add(found, passed);
      return true;
    }
  }
  const std::optional<Rule> rule = lookups_.unpredictable(option.tag);
  if (rule) add(found, {.kind = OutcomeKind::any, .rule = *rule});
  return rule.has_value();
}

Outcome Accesses::contained(u32 tag) const {
  if (const auto rule = lookups_.unpredictable(tag))
    return {.kind = OutcomeKind::any, .rule = *rule};
  return {.kind = OutcomeKind::within, .rule = rule::TRANSLATION_RESULT, .tag = tag};
}

Outcome Accesses::contained(const Fetches::SteOption& ste) const {
  const Fetches::Forming2 forms = fetches_.forming2(ste.ste);
  if (forms.not_modelled != NotModelled::no) {
    return unmodelled_outcome(forms.not_modelled, rule::STE_EATS);
  }
  return contained(regimes_[forms.regime].tag);
}

/// An access of that kind by that way meets what a look-up of its address may find under the tag.
bool Accesses::is_met(const StreamOption& option, const Access& access, AccessKind kind,
                      const Candidate& c) const {
  const Regime<u64>& r = regimes_[option.regime - 1].regime;
  if (!option.contained && lookups_.is_shadow(c)) return false;
  if (!lookups_.is_met_by(option.regime - 1, c) || !lookups_.is_found_at(r, c, access.va))
    return false;
  const unsigned half = select_half(r, access.va);
  return !check_e0pd(regimes_.of(c.space), half, kind) || !check_address(r, half, access.va, kind);
}

void Accesses::under(const Access& access, const StreamOption& option, bool by_ats,
                     std::vector<Outcome>& found) const {
  if (option.contained) return add(found, contained(option.tag));
  const AccessKind incoming{access.type, access.privileged};
  const AccessKind kind =
      effective_access(by_ats ? ats_access(incoming, access.ssv) : incoming, option.overrides);
  if (ends_before_lookup(option, access, found)) return;
  std::vector<Candidate>& candidates = scratch_candidates_;
  candidates.clear();
  lookups_.collect(option.tag, Lookups::looked_up(regimes_[option.regime - 1].regime, access.va),
                   candidates);
  std::erase_if(candidates, [&](const Candidate& c) { return !is_met(option, access, kind, c); });
  add_met(access, option, by_ats, candidates, true, found);
}

void Accesses::outcomes_by(const StreamOption& way, const Access& access,
                           const std::vector<Candidate>& candidates, bool heed_conflicts,
                           std::vector<Outcome>& found) const {
  const AccessKind kind = effective_access({access.type, access.privileged}, way.overrides);
  if (ends_before_lookup(way, access, found)) return;
  const auto met = [&](const Candidate& c) { return is_met(way, access, kind, c); };
  if (std::ranges::all_of(candidates, met)) {
    return add_met(access, way, false, candidates, heed_conflicts, found);
  }
  std::vector<Candidate>& some = scratch_candidates_;
  some.clear();
  std::ranges::copy_if(candidates, std::back_inserter(some), met);
  add_met(access, way, false, some, heed_conflicts, found);
}

/// Of a look-up that may meet `candidates`, and nothing else.
void Accesses::add_met(const Access& access, const StreamOption& option, bool by_ats,
                       const std::vector<Candidate>& candidates, bool heed_conflicts,
                       std::vector<Outcome>& found) const {
  const u32 id = option.regime - 1;
  const Regime<u64>& r = regimes_[id].regime;
  const AccessKind incoming{access.type, access.privileged};
  const AccessKind kind =
      effective_access(by_ats ? ats_access(incoming, access.ssv) : incoming, option.overrides);
  const bool stage2 = is_stage2(r);
  const auto add_fault = [&](const Fault& fault, const Candidate* c) {
    Outcome outcome = fault_outcome(fault.event, fault.rule, kind, option.reaction);
    if (stage2) {
      outcome.stage2 = true;
      outcome.ipa = access.va;
    }
    if (c != nullptr) {
      outcome.item = c->item;
      outcome.origin = c->origin;
      outcome.value = c->value;
    }
    add(found, outcome);
  };
  const unsigned half = select_half(r, access.va);
  const auto refused = check_address(r, half, access.va, kind);
  if (refused) add_fault(*refused, nullptr);
  // What was filled through another regime of the tag is checked as that one has it.
  const u64 va = looked_up_at(r, half, access.va);
  const auto refused_by = [&](const Candidate& c) {
    return check_e0pd(regimes_.of(c.space), half, kind);
  };
  for (const Candidate& c : candidates) {
    if (c.kind != Candidate::Kind::unknown || refused_by(c)) continue;
    add(found,
        {.kind = OutcomeKind::any, .rule = rule::WILD_WALK, .item = c.item, .origin = c.origin});
    return;
  }
  if (heed_conflicts && lookups_.in_conflict(candidates)) {
    add(found, {.kind = OutcomeKind::any, .rule = rule::CONFLICT_TLB});
    return;
  }
  const auto disabled = check_walk_enabled(r, half);
  if (disabled && !refused) add_fault(*disabled, nullptr);
  for (const Candidate& c : candidates) {
    if (c.kind == Candidate::Kind::pointer) continue;
    if (c.kind == Candidate::Kind::fault) {
      const bool others_walk = c.space.regime != id && c.item == 0;
      if (!others_walk && !refused) add_fault(c.fault, &c);
      continue;
    }
    if (const auto fault = refused_by(c)) {
      add_fault(*fault, &c);
      continue;
    }
    for_each_reading(c, regimes_.of(c.space), r, [&](const Leaf<u64>& leaf, const Regime<u64>& by) {
      const AccessResult<u64> result =
          by_ats ? check_ats_access(leaf, incoming, access.ssv, option.overrides, by)
                 : check_rights(leaf, kind, by);
      if (result.fault) return add_fault(*result.fault, &c);
      if (result.sets_dirty && !may_mark_dirty(c)) return;
      add(found, {.kind = OutcomeKind::translation,
                  .pa = leaf.output + (va - c.va),
                  .attr = leaf.attr,
                  .memory = stage2 ? through_stage2(attributes_of_input(option.input),
                                                    memattr_of(c.value), leaf.sh, by.fwb.value)
                                   : attributes_of_mair(leaf.attr, leaf.sh),
                  .dirty = result.sets_dirty.value,
                  .item = c.item,
                  .origin = c.origin,
                  .value = c.value});
    });
  }
}

/// The dirty state is set in the word as it was cached; otherwise the walk starts again.
bool Accesses::may_mark_dirty(const Candidate& c) const {
  if (c.item == 0 || items_[c.item - 1].kind != ItemKind::final) return true;
  bool unchanged = false;
  memory_.visible(c.origin, [&](Content word) { unchanged |= word == Content{c.value, false}; });
  return unchanged;
}

}  // namespace iommucheck::spec
