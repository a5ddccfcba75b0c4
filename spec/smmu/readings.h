// SPDX-License-Identifier: MIT
// What a TLB entry lets an access do that meets it by another CD than the one by which it was
// filled. What of a CD may be cached in a TLB need not be: then it counts as the CD has it by which
// the entry is met, for what is checked (PAN, AFFD), or for all that is made of the descriptor
// (WXN, MAIR, HAD). IHI 0070 5.4.1.
#pragma once

#include "spec/smmu/candidate.h"
#include "spec/smmu/stage_walk.h"

namespace iommucheck::spec {

/// visit(leaf, regime): what the entry says, and by what it is checked. First as it was filled.
template <class Visit>
void for_each_reading(const Candidate& c, const Regime<u64>& filled_by, const Regime<u64>& met_by,
                      Visit&& visit) {
  visit(c.leaf, filled_by);
  if (is_stage2(filled_by) || filled_by == met_by) return;
  visit(c.leaf, met_by);
  const unsigned half = c.space.half;
  const bool same_format = filled_by.endi == met_by.endi && !met_by.half[half].epd &&
                           filled_by.half[half].tg == met_by.half[half].tg;
  if (!same_format) return;
  Step<u64> anew = step_at(met_by, half, c.level, c.value, unpack(c.hierarchical));
  auto* const leaf = std::get_if<Leaf<u64>>(&anew);
  if (leaf == nullptr) return;
  leaf->output = c.leaf.output;  // of a contiguous group, where it begins
  visit(*leaf, met_by);
}

}  // namespace iommucheck::spec
