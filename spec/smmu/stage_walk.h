// SPDX-License-Identifier: MIT
// What a walk asks of a regime whichever stage it is of: the engine's doors to walk.h and
// stage2_walk.h.
#pragma once

#include "spec/arch/stage2_walk.h"
#include "spec/arch/walk.h"
#include "spec/rules/translation.h"
#include "spec/smmu/regimes.h"
#include "spec/smmu/stage.h"

namespace iommucheck::spec {

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

/// What a walk or a look-up makes of a word; `hierarchical`: what the tables above took away.
inline Step<u64> step_in(const Regimes& regimes, const Space& space, unsigned level, u64 word,
                         u8 hierarchical) {
  return step_at(regimes.of(space), space.half, level, word, unpack(hierarchical));
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

}  // namespace iommucheck::spec
