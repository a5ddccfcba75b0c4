// SPDX-License-Identifier: MIT
#include "spec/smmu/nested.h"

#include <algorithm>

#include "spec/rules/structures.h"
#include "spec/rules/translation.h"
#include "spec/smmu/flag_walks.h"
#include "spec/smmu/readings.h"
#include "spec/smmu/transaction.h"

namespace iommucheck::spec {

/// But for a word that is cached, if there is one.
struct NewestMemory {
  const Memory& memory;
  std::optional<u64> cached_at{};
  u64 cached = 0;
  std::optional<u64> read(Structure /*kind*/, u64 pa) {
    return pa == cached_at ? cached : memory.newest(pa).value;
  }
};

namespace {

using Users = Intermediate<NewestMemory>;

void add_distinct(std::vector<Outcome>& found, const Outcome& outcome) {
  const auto same = [&](const Outcome& known) { return known.same(outcome); };
  if (std::ranges::none_of(found, same)) found.push_back(outcome);
}

/// One end of those that are legal where either_end() or tables of another format leave it open.
Outcome one_end(const Outcome& met) {
  if (met.kind != OutcomeKind::any) return met;
  const EventType event = met.rule == rule::L1CD_L2PTR         ? EventType::c_bad_substreamid
                          : met.rule == rule::STE_S1CONTEXTPTR ? EventType::c_bad_ste
                                                               : EventType::c_bad_cd;
  return fault_outcome(event, met.rule);
}

/// As Accesses has it: where memory says something else by now the walk starts again.
bool may_mark_dirty(const Memory& memory, const Candidate& told) {
  bool unchanged = false;
  memory.visible(told.origin,
                 [&](Content word) { unchanged |= word == Content{told.value, false}; });
  return unchanged;
}

}  // namespace

// ---- one outcome --------------------------------------------------------------------------------

SmmuState NestedAccesses::state() const {
  return {
      .caps = caps_, .streams = controls_.stream_table(), .smmuen = true, .e2h = controls_.e2h()};
}

FlagUpdates NestedAccesses::updates(const Access& access) const {
  NewestMemory words{memory_};
  return flag_updates(words, state(), access);
}

Outcome NestedAccesses::newest(const Access& access) const {
  NewestMemory words{memory_};
  const auto ste = find_ste(words, controls_.stream_table(), access.sid);
  if (!ste) return ste.error();
  Outcome outcome = through_ste(words, state(), *ste, access, false);
  if (decode_ste(*ste, caps_).kind != SteKind::nested) return outcome;
  // Of a passing access the last word is stage 2's; the user's are the user's to be marked.
  outcome.dirty = outcome.dirty && !ap2(outcome.value).value;
  return one_end(outcome);
}

bool NestedAccesses::reaches(u32 tag, u64 pa) const {
  bool found = false;
  if (is_atc_tag(tag)) {
    atcs_.for_each_of(tag & ~atc_tag_bit, [&](u32, const AtcItem& item) {
      found |= item.kind == ItemKind::unknown || pa - item.output <= item.last - item.first;
    });
    return found;
  }
  lookups_.translations_under(tag, [&](const Candidate& c, u64 bytes) {
    found |= c.kind == Candidate::Kind::unknown;
    if (c.kind != Candidate::Kind::leaf) return;
    found |= pa - (c.leaf.output + (c.at - c.va)) < bytes;
  });
  return found || lookups_.unpredictable(tag).has_value();
}

// ---- all that a known user's access may meet ----------------------------------------------------

bool NestedAccesses::collect(const Access& access, bool by_ats, std::vector<Outcome>& found) const {
  const StreamOptions& known = fetches_.ways_of(access.sid, access.ssid, access.ssv);
  if (!known.complete) return false;
  bool contained = false;
  for (const StreamOption& way : known.options) {
    contained |= way.contained && !way.any;
    if (way.contained && !way.any) continue;
    if (way.regime == 0) {
      add_distinct(found, accesses_.end_of(way, access));
    } else {
      accesses_.under(access, way, false, found);
    }
  }
  Fetches::SteOptions stes;
  if (contained && !fetches_.ste_options(access.sid, stes)) return false;
  for (const Fetches::SteOption& ste : stes) {
    const bool known_one = ste.is_read();
    if (known_one && ste.decision.kind == SteKind::nested) through_both(access, ste, by_ats, found);
  }
  const auto any = std::ranges::find(found, OutcomeKind::any, &Outcome::kind);
  if (any != found.end()) found = {Outcome{*any}};
  return lookups_.goes_on();
}

/// The address is what stage 1 made of another; whatever is known of that, stage 2 decides.
bool NestedAccesses::collect_translated(const Access& access, std::vector<Outcome>& found) const {
  Fetches::SteOptions stes;
  if (!fetches_.ste_options(access.sid, stes)) return false;
  Access plain = access;  // a PASID says nothing (IDR3.PASIDTT = 0)
  plain.privileged = plain.ssv = false;
  if (plain.type == AccessType::execute) plain.type = AccessType::read;
  for (const Fetches::SteOption& its : stes) {
    if (!its.is_read() || its.decision.kind != SteKind::nested) continue;
    if (!answers_ipas(its.ste, caps_, controls_.atschk())) continue;
    if (select_substream(its.ste, caps_, false, u64{0}).event() != EventType::none) continue;
    Through through{
        .access = plain, .ste = its.ste, .way = {.overrides = overrides_of(its.ste, caps_)}};
    fetches_.add_stage2(access.sid, its, through.way);
    if (through.way.any) return false;
    // What is cached of both stages together is for addresses of stage 1.
    through.way.contained = false;
    Outcome passed = bypass_outcome(caps_, true, through.way.overrides,
                                    input_overrides_of(its.ste, caps_), plain);
    if (passed.kind == OutcomeKind::fault) {
      add_distinct(found, passed);
      continue;
    }
    passed.pa = access.va;
    through_its_stage2(through, passed, found);
  }
  return lookups_.goes_on();
}

/// By each CD that memory says or that is told.
void NestedAccesses::through_both(const Access& access, const Fetches::SteOption& its, bool by_ats,
                                  std::vector<Outcome>& found) const {
  const Ste<u64>& ste = its.ste;
  const StreamDecision stream = decide_stream(ste, caps_, access.ssv, u64{access.ssid});
  if (stream.event != EventType::none || stream.not_modelled != NotModelled::no) return;
  Through through{.access = access,
                  .ste = ste,
                  .way = {.overrides = stream.overrides},
                  .answers_ipa = by_ats && answers_ipas(ste, caps_, controls_.atschk())};
  if (by_ats && !through.answers_ipa && !full_ats(ste, caps_)) return;
  fetches_.add_stage2(access.sid, its, through.way);
  if (through.way.any) return;
  if (!stream.cd) {
    Outcome passed = bypass_outcome(caps_, true, stream.overrides, stream.input, access);
    if (passed.kind == OutcomeKind::fault) return add_distinct(found, passed);
    passed.pa = access.va;
    return through_its_stage2(through, passed, found);
  }
  NewestMemory words{memory_};
  const AccessKind kind = effective_access({access.type, access.privileged}, stream.overrides);
  Users memory(words, ste, caps_, true, kind);
  const auto by = [&](const Cd<u64>& cd) {
    const ContextDecision context = decide_context(ste, cd, caps_, controls_.e2h());
    if (context.illegal) {
      add_distinct(found, fault_outcome(EventType::c_bad_cd, *context.illegal));
    } else if (context.not_modelled != NotModelled::no) {
      add_distinct(found, unmodelled_outcome(context.not_modelled, rule::CD_AA64));
    } else {
      through_its_stage1(through, context, found);
    }
  };
  told_cds_.for_each_of(access.sid, static_cast<u32>(*stream.cd), by);
  if ((ste.s1contextptr() & ~low_mask(u64{ias_lg2(caps_)})) != 0) {
    return add_distinct(found, one_end(either_end(rule::STE_S1CONTEXTPTR)));
  }
  const auto cd = find_cd(memory, ste, caps_, *stream.cd);
  if (cd) return by(*cd);
  const bool open = cd.error().rule == rule::L1CD_L2PTR;
  add_distinct(found, open ? one_end(either_end(rule::L1CD_L2PTR)) : memory.failed(cd.error()));
}

/// The walk by those words, of which one is that of a pointer that was told: 1 + its index.
void NestedAccesses::by_memory(const Through& by, const ContextDecision& context,
                               NewestMemory words, u32 told, std::vector<Outcome>& found) const {
  const Access& access = by.access;
  const AccessKind kind = effective_access({access.type, access.privileged}, by.way.overrides);
  // A leaf without the right may get its AF all the same, if stage 2 lets it be written.
  for (const bool eager : {false, true}) {
    Users memory(words, by.ste, caps_, true, kind);
    if (eager) memory.set_af_of_refused();
    Outcome met = translate_stage1(memory, context, by.way.overrides, access, kind, false);
    met.told = told;
    const bool faults = met.kind == OutcomeKind::fault;
    faults ? add_distinct(found, met) : through_its_stage2(by, met, found);
    if (!faults || met.rule != rule::S1_PERMISSION) break;
  }
}

/// The walk by memory as it is, and what is told to be cached.
void NestedAccesses::through_its_stage1(const Through& by, const ContextDecision& context,
                                        std::vector<Outcome>& found) const {
  const Access& access = by.access;
  const AccessKind kind = effective_access({access.type, access.privileged}, by.way.overrides);
  const auto goes_on = [&](const Outcome& passed) {
    if (passed.kind == OutcomeKind::fault) return add_distinct(found, passed);
    through_its_stage2(by, passed, found);
  };
  by_memory(by, context, {memory_}, 0, found);
  const Regime<u64>& regime = context.regime;
  const auto behind = [&](u32 i) {
    const Item& pointer = told_pointers_[i].item;
    if (memory_.newest(pointer.origin) == Content{pointer.value, false}) return;
    by_memory(by, context, {memory_, pointer.origin, pointer.value}, i + 1, found);
  };
  told_pointers_.for_each_at(tag_of(regime), Lookups::looked_up(regime, access.va), behind);
  std::vector<Candidate> cached;
  collect_told(tag_of(regime), Lookups::looked_up(regime, access.va), cached);
  for (const Candidate& c : cached) {
    const Regime<u64>& filled_by = regimes_.of(c.space);
    if (!lookups_.is_found_at(regime, c, access.va)) continue;
    for_each_reading(c, filled_by, regime, [&](const Leaf<u64>& leaf, const Regime<u64>& read_by) {
      AccessResult<u64> result = check_access(leaf, kind, read_by);
      // As Accesses::under() has it: by the half through which it was filled.
      if (const auto refused = check_e0pd(filled_by, c.space.half, kind)) result.fault = refused;
      const bool marks = !result.fault && result.sets_dirty.value;
      if (marks && !may_mark_dirty(memory_, c)) return;
      Outcome passed{.kind = OutcomeKind::translation, .rule = rule::TRANSLATION_RESULT};
      if (result.fault) {
        passed = fault_outcome(result.fault->event, result.fault->rule, kind, context.reaction);
      } else {
        passed.pa = leaf.output + (Lookups::looked_up(regime, access.va) - c.va);
        passed.attr = leaf.attr;
        passed.memory = attributes_of_mair(leaf.attr, leaf.sh);
        passed.dirty = result.sets_dirty.value;
      }
      passed.item = c.item;
      passed.origin = c.origin;
      passed.value = c.value;
      goes_on(passed);
    });
  }
}

/// Entries of stage 1 that were told, under the tag, and global ones of its VMID.
void NestedAccesses::collect_told(const Tag<u64>& tag, u64 va,
                                  std::vector<Candidate>& found) const {
  for (u32 t = 0; t < items_.tags(); ++t) {
    const Tag<u64>& other = regimes_.tag(items_.tag(t)).tag;
    if (other.world != tag.world || other.vmid != tag.vmid || other.stage != tag.stage) continue;
    items_.for_each_in(items_.tag(t), va, va, [&](u32 i) {
      const Item& item = items_[i];
      if (item.kind != ItemKind::final) return;
      std::vector<Candidate> one;
      lookups_.meet(item.space, item.level, item.va, item.hierarchical, i + 1, item.origin,
                    Content{item.value, false}, one);
      for (const Candidate& c : one) {
        const bool met = other.asid == tag.asid || lookups_.is_global(c);
        if (met && c.kind == Candidate::Kind::leaf) found.push_back(c);
      }
    });
  }
}

/// `passed`: what stage 1 makes of the access, which is an intermediate address.
void NestedAccesses::through_its_stage2(const Through& by, const Outcome& passed,
                                        std::vector<Outcome>& found) const {
  Access at = by.access;
  at.va = passed.pa;
  std::vector<Candidate> candidates;
  lookups_.collect(by.way.tag, at.va, candidates);
  std::vector<Outcome> reached;
  accesses_.outcomes_by(by.way, at, candidates, true, reached);
  const Regime<u64>& regime = regimes_[by.way.regime - 1].regime;
  for (Outcome& outcome : reached) {
    if (outcome.kind == OutcomeKind::translation) {
      const bool fwb = regime.fwb.value;
      outcome.memory = through_stage2(passed.memory, memattr_of(outcome.value),
                                      shareability(outcome.value), fwb);
      if (passed.kind == OutcomeKind::translation) outcome.attr = passed.attr;
      outcome.dirty |= passed.dirty;
      outcome.told = passed.told;
      if (outcome.item == 0 && passed.item != 0) {
        outcome.item = passed.item;
        outcome.origin = passed.origin;
        outcome.value = passed.value;
      }
      if (by.answers_ipa) outcome.pa = passed.pa;
    }
    add_distinct(found, outcome);
  }
}

}  // namespace iommucheck::spec
