// SPDX-License-Identifier: MIT
// What is asked of a regime whichever stage it is of: the engine's doors to walk.h, permissions.h
// and stage2.h. A stage 2 leaf is a Leaf like another: rights of both privileges that differ in
// execution alone, MemAttr as the byte of MAIR that says the same, never global.
#pragma once

#include "spec/arch/attributes.h"
#include "spec/arch/stage2.h"
#include "spec/arch/walk.h"
#include "spec/rules/translation.h"

namespace iommucheck::spec {

inline bool is_stage2(const Regime<u64>& regime) { return regime.stage == Stage::stage2; }

/// MemAttr of a stage 2 block or page.
constexpr u64 memattr_of(u64 word) { return bits(word, 5, 2); }

inline Leaf<u64> leaf_of_stage2(const Regime<u64>& regime, unsigned level, u64 word, u64 output) {
  const Stage2Leaf<u64> found = stage2_leaf(stage2_of(regime), level, word, output);
  Leaf<u64> leaf;
  leaf.output = output;
  leaf.level = level;
  leaf.granule = regime.half[0].tg;
  leaf.extent_lg2 = leaf_size_lg2(leaf.granule, level);
  leaf.contiguous = contiguous_lg2(leaf.granule, level) != 0 && contiguous_hint(word).value;
  leaf.privileged = {found.read, found.write, found.execute_privileged};
  leaf.unprivileged = {found.read, found.write, found.execute_unprivileged};
  leaf.attr = mair_of_stage2(memattr_of(word), regime.fwb.value);
  leaf.sh = shareability(word);
  leaf.af = found.af;
  leaf.ng = true;
  leaf.nt = level != last_level && no_translation(word).value;
  leaf.dbm = dirty_bit_modifier(word);
  leaf.writable_clean = found.writable_clean;
  return leaf;
}

/// One descriptor: step() or stage2_step().
inline Step<u64> step_at(const Regime<u64>& regime, unsigned half, unsigned level, u64 word,
                         const HierarchicalAttributes<u64>& hierarchical) {
  if (!is_stage2(regime)) return step(regime, half, level, word, hierarchical);
  const Stage2Step<u64> next = stage2_step(stage2_of(regime), level, word);
  if (const auto* fault = std::get_if<Fault>(&next)) return *fault;
  if (const auto* table = std::get_if<u64>(&next)) {
    return TableStep<u64>{*table, level + 1, {}, access_flag(word)};
  }
  return leaf_of_stage2(regime, level, word, std::get<Stage2Leaf<u64>>(next).output);
}

/// The rule by which AF = 0 of a leaf is F_ACCESS.
inline Rule access_flag_rule(const Regime<u64>& regime) {
  return is_stage2(regime) ? rule::S2_ACCESS_FLAG : rule::S1_ACCESS_FLAG;
}

/// Access flag, then rights.
inline AccessResult<u64> check_rights(const Leaf<u64>& leaf, AccessKind access,
                                      const Regime<u64>& regime) {
  AccessResult<u64> result = check_access(leaf, access, regime);
  if (!is_stage2(regime) || !result.fault) return result;
  result.fault->rule =
      result.fault->rule == rule::S1_ACCESS_FLAG ? rule::S2_ACCESS_FLAG : rule::S2_PERMISSION;
  return result;
}

/// What holds of the input address with and without a TLB hit.
inline std::optional<Fault> check_address(const Regime<u64>& regime, unsigned half, u64 va,
                                          AccessKind access) {
  if (!is_stage2(regime)) return check_input(regime, half, va, access);
  return check(rule::S2_IPA_RANGE, EventType::f_translation, ipa_in_range(stage2_of(regime), va));
}

/// The table at which walks of the half begin. `half` has EPD = 0.
inline TablePosition<u64> first_table(const Regime<u64>& regime, unsigned half) {
  if (!is_stage2(regime)) return start_table(regime, half);
  return {stage2_start_table(stage2_of(regime)), regime.start};
}

/// The address of stage 1 without its tag: bits 63:56 as VA[55] of the half.
constexpr u64 untagged(u64 va, unsigned half) {
  return half == 0 ? va & mask(55, 0) : va | mask(63, 56);
}

/// The address under which tables are looked up.
inline u64 looked_up_at(const Regime<u64>& regime, unsigned half, u64 va) {
  return is_stage2(regime) ? va : untagged(va, half);
}

}  // namespace iommucheck::spec
