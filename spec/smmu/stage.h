// SPDX-License-Identifier: MIT
// What is asked of a regime whichever stage it is of: where its tables lie. A stage 2 leaf is a
// Leaf like another: rights of both privileges that differ in execution alone, MemAttr as the byte
// of MAIR that says the same, never global.
#pragma once

#include "spec/arch/attributes.h"
#include "spec/arch/stage2.h"
#include "spec/arch/tables.h"

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
