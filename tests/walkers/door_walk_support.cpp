// SPDX-License-Identifier: MIT
#include "tests/walkers/door_walk_support.h"

#include "spec/smmu/stage.h"
#include "spec/smmu/stage_walk.h"

namespace iommucheck::walkers::door_walk_support {

namespace {

using namespace iommucheck::spec;

class DoorWalk {
 public:
  DoorWalk(const GivenMemory& memory, const Ste<u64>& ste, const Capabilities& caps,
           AccessKind seen, DoorMistake mistake)
      : memory_(memory), seen_(seen), mistake_(mistake) {
    if (!ste.stage2()) return;
    stage2_ = stage2_regime_of(ste, caps);
    if (mistake == DoorMistake::ipa_range) --stage2_->half[0].tsz;
    big2_ = ste.s2endi().value;
    reaction2_ = stage2_reaction(ste);
  }

  /// All of it, of an address that stage 1 translates by `regime`, or that is an IPA.
  Outcome all(const Regime<u64>* regime, FaultReaction reaction, u64 va) {
    u64 ipa = va;
    Outcome first;
    if (regime != nullptr) {
      first = stage1(*regime, reaction, va);
      if (first.kind == OutcomeKind::fault || !stage2_) return first;
      ipa = first.pa;
    }
    Outcome last = stage2(ipa, Stage2Input::transaction);
    if (last.kind == OutcomeKind::fault) return last;
    if (regime != nullptr) {
      last.attr = first.attr;
      last.dirty |= first.dirty;
    }
    return last;
  }
  /// A word of a structure or table of stage 1. Nothing: why, in failed().
  std::optional<u64> fetch(u64 address, Stage2Input input) {
    u64 pa = address;
    if (stage2_) {
      const Outcome reached = stage2(address, input);
      if (reached.kind == OutcomeKind::fault) {
        failed_ = reached;
        return std::nullopt;
      }
      pa = reached.pa;
    }
    const auto word = memory_.word(pa);
    if (!word) {
      const bool cd = input == Stage2Input::cd;
      failed_ = fault_outcome(cd ? EventType::f_cd_fetch : EventType::f_walk_eabt,
                              cd ? rule::CD_FETCH : rule::S1_WALK_FETCH, seen_);
      failed_.origin = pa;
    }
    return word;
  }
  [[nodiscard]] const Outcome& failed() const { return failed_; }

 private:
  Outcome fault_of(const Fault& fault, FaultReaction reaction) const {
    return fault_outcome(fault.event, fault.rule, seen_, reaction);
  }

  Outcome stage2(u64 ipa, Stage2Input input) {
    const bool fetched = input != Stage2Input::transaction;
    const AccessKind own{input == Stage2Input::stage1_update ? AccessType::write
                                                             : AccessType::read};
    const AccessKind kind = fetched ? own : seen_;
    const auto read = [&](u64 pa) { return swapped(memory_.word(pa), big2_); };
    Outcome end = walk(
        *stage2_, 0, ipa, kind, read, reaction2_, rule::S2_WALK_FETCH, [&](const Outcome& leaf) {
          const bool device = leaf.attr >> 4 == 0;
          const bool refused =
              fetched && stage2_->ptw.value && device && mistake_ != DoorMistake::ptw;
          return refused ? std::optional(fault_outcome(EventType::f_permission, rule::S2_PTW, seen_,
                                                       reaction2_))
                         : std::nullopt;
        });
    if (end.kind == OutcomeKind::fault) {
      end.stage2 = true;
      end.input = input;
      end.ipa = ipa;
    }
    return end;
  }

  Outcome stage1(const Regime<u64>& regime, FaultReaction reaction, u64 va) {
    const unsigned half = select_half(regime, va);
    if (const auto fault = check_address(regime, half, va, seen_))
      return fault_of(*fault, reaction);
    if (const auto fault = check_walk_enabled(regime, half)) return fault_of(*fault, reaction);
    u64 place = 0;
    const auto read = [&](u64 ipa) {
      place = ipa;
      return swapped(fetch(ipa, Stage2Input::stage1_descriptor), regime.endi.value);
    };
    return walk(regime, half, va, seen_, read, reaction, rule::S1_WALK_FETCH,
                [&](const Outcome& passed) -> std::optional<Outcome> {
                  if (!stage2_ || !passed.item) return std::nullopt;
                  const Outcome update = stage2(place, Stage2Input::stage1_update);
                  return update.kind == OutcomeKind::fault ? std::optional(update) : std::nullopt;
                });
  }

  static std::optional<u64> swapped(std::optional<u64> word, bool big) {
    return word && big ? __builtin_bswap64(*word) : word;
  }

  /// `more(outcome)` may have something against a leaf that passes; `item` says whether flags are
  /// written to the descriptor.
  template <class Read, class More>
  Outcome walk(const Regime<u64>& regime, unsigned half, u64 va, AccessKind kind, const Read& read,
               FaultReaction reaction, Rule aborts, const More& more) {
    if (is_stage2(regime)) {
      if (const auto f = check_address(regime, half, va, kind)) return fault_of(*f, reaction);
    }
    TablePosition<u64> table = first_table(regime, half);
    const unsigned start = table.level;
    HierarchicalAttributes<u64> above;
    for (;;) {
      const u64 at = descriptor_position(regime.half[half], start, table.level, table.address, va);
      const std::optional<u64> word = read(at);
      if (!word) {
        if (!is_stage2(regime)) return failed_;
        Outcome aborted = fault_outcome(EventType::f_walk_eabt, aborts, seen_);
        aborted.origin = at;
        return aborted;
      }
      const Step<u64> next = step_at(regime, half, table.level, *word, above);
      if (const auto* fault = std::get_if<Fault>(&next)) return fault_of(*fault, reaction);
      if (const auto* leaf = std::get_if<Leaf<u64>>(&next)) {
        const AccessResult<u64> result = check_rights(*leaf, kind, regime);
        if (result.fault) return fault_of(*result.fault, reaction);
        const bool dirties = kind.type == AccessType::write && leaf->writable_clean.value;
        Outcome passed{.kind = OutcomeKind::translation,
                       .pa = leaf->output | leaf_offset(leaf->granule, leaf->level, va),
                       .attr = leaf->attr,
                       .dirty = dirties};
        passed.item = (result.sets_af | result.sets_dirty).value ? 1 : 0;
        if (const auto refused = more(passed)) return *refused;
        passed.item = 0;
        return passed;
      }
      const auto& pointer = std::get<TableStep<u64>>(next);
      if (mistake_ == DoorMistake::no_tables && !is_stage2(regime)) {
        above = {};
      } else {
        above = pointer.hierarchical;
      }
      if (!is_stage2(regime)) {
        Outcome passing;
        passing.item = (regime.haft & !pointer.af).value ? 1 : 0;
        if (const auto refused = more(passing)) return *refused;
      }
      table = {pointer.address, pointer.level};
    }
  }

  const GivenMemory& memory_;
  std::optional<Regime<u64>> stage2_;
  bool big2_ = false;
  FaultReaction reaction2_{};
  AccessKind seen_;
  DoorMistake mistake_;
  Outcome failed_;
};

std::optional<Outcome> outcome_of(const GivenMemory& memory, const SmmuState& smmu,
                                  const Ste<u64>& ste, const Access& access, DoorMistake mistake) {
  const StreamDecision stream = decide_stream(ste, smmu.caps, access.ssv, access.ssid);
  const bool walks = stream.stage2 || stream.cd.has_value();
  if (!walks || stream.event != EventType::none || !is_described(stream.not_modelled)) return {};
  const AccessKind kind = effective_access({access.type, access.privileged}, stream.overrides);
  DoorWalk walk(memory, ste, smmu.caps, kind, mistake);
  if (!stream.cd) {
    if ((access.va & ~low_mask(u64{ias_lg2(smmu.caps)})) != 0) return {};
    return walk.all(nullptr, {}, access.va);
  }
  u64 place = linear_cd_address(ste, *stream.cd);
  if (const unsigned leaf_bits = cd_leaf_bits(ste, smmu.caps); leaf_bits != 0) {
    const auto word = walk.fetch(l1cd_address(ste, leaf_bits, *stream.cd), Stage2Input::cd);
    if (!word) return walk.failed();
    if (l1cd_illegal(L1Cd<u64>{*word}, smmu.caps)) return {};
    place = second_level_cd_address(L1Cd<u64>{*word}, leaf_bits, *stream.cd);
  }
  Cd<u64> cd;
  for (std::size_t i = 0; i < cd.dw.size(); ++i) {
    const auto word = walk.fetch(place + 8 * i, Stage2Input::cd);
    if (!word) return walk.failed();
    cd.dw[i] = *word;
  }
  const ContextDecision context = decide_context(ste, cd, smmu.caps, smmu.e2h);
  if (context.illegal || !is_described(context.not_modelled)) return {};
  return walk.all(&context.regime, context.reaction, access.va);
}

}  // namespace

}  // namespace iommucheck::walkers::door_walk_support

std::optional<iommucheck::spec::Outcome> iommucheck::walkers::by_doors(const GivenMemory& memory,
                                                                       const spec::SmmuState& smmu,
                                                                       const spec::Ste<u64>& ste,
                                                                       const spec::Access& access,
                                                                       DoorMistake mistake) {
  return door_walk_support::outcome_of(memory, smmu, ste, access, mistake);
}
