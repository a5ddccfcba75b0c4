// SPDX-License-Identifier: MIT
// What later versions decide and SMMUv3.0 leaves to the implementation.
#pragma once

#include "spec/rules/structures.h"
#include "spec/smmu/registers.h"

namespace iommucheck::spec {

/// Configuration that breaks the rule is an error from SMMUv3.1 on. SMMUv3.0 may refuse it, clamp
/// or truncate what is out of range, or end the fetch with F_CD_FETCH (CONSTRAINED UNPREDICTABLE),
/// and has fewer bits of a table's address, above which it sees zeros. IHI 0070 3.4.3 notes 1 to
/// 4, 5.2 (S2T0SZ, S2TTB), 5.4 (T0SZ, TTB0).
constexpr bool is_left_open(Rule rule, const Capabilities& caps) {
  if (caps.minor != 0) return false;
  return rule == rule::STE_S1CONTEXTPTR || rule == rule::L1CD_L2PTR || rule == rule::CD_TSZ ||
         rule == rule::CD_TTB || rule == rule::STE_S2T0SZ || rule == rule::STE_S2TTB;
}

}  // namespace iommucheck::spec
