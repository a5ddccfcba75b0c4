// SPDX-License-Identifier: MIT
// What a run says of each rule that a driver has to keep.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "oracle/check.h"
#include "oracle/monitor.h"
#include "spec/smmu/registers.h"

namespace iommucheck::oracle {

/// How often each rule, by its number, was asked, could have been broken, and was.
struct RuleTally {
  static constexpr std::size_t size = 256;
  std::array<u64, size> asked{};
  std::array<u64, size> discriminating{};
  std::array<u64, size> broken{};
  std::array<u64, size> order_unknown{};  ///< see Statistics

  /// Adds what a monitor has counted since it was made; once a monitor.
  void add(Monitor& monitor);
  /// Each call could have crashed, and might not have returned.
  void add_calls(u64 calls);
};

/// The rules whose keeper is the driver, in the catalogue's order, each with its verdict: broken;
/// holds if it could have been broken at least once and never was; not claimed by any SMMU with
/// such ID registers, or not judged in such a run; else not exercised. The last two with the
/// reason.
std::vector<RuleCount> rule_counts(const RuleTally& tally,
                                   std::span<const spec::Capabilities> machines);

}  // namespace iommucheck::oracle
