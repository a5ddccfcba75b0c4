// SPDX-License-Identifier: MIT
// What a run of conform says of each rule that an SMMU or device has to keep.
#pragma once

#include <array>
#include <vector>

#include "conform/judge_case.h"
#include "monitor/rule_verdicts.h"
#include "spec/smmu/registers.h"

namespace iommucheck::oracle {

/// By number of the rule, over a run.
struct CaseCounts {
  u64 cases = 0;
  bool all_directed = true;                     ///< those of the device were run to the last one
  std::array<u64, spec::rule_numbers> named{};  ///< cases that ask for it by name
  std::array<u64, spec::rule_numbers>
      decided{};  ///< of these, ones in which everything could be judged
  std::array<u64, spec::rule_numbers> broken{};  ///< cases that broke it
};

/// Every rule of the catalogue whose keeper is an SMMU or a device, in its order. One holds only
/// where it was asked when something else would have been possible.
std::vector<RuleCount> device_rule_counts(const JudgeTally& tally, const CaseCounts& counts,
                                          const spec::Capabilities& caps);

/// Rules that ask something of a device with these ID registers and nothing of one with those.
std::vector<spec::Rule> claimed_beyond(const spec::IdRegisters& now,
                                       const spec::IdRegisters& before);

/// The ID registers that differ, each as "IDR0 = 0x... (was 0x...)".
std::vector<std::string> changed_registers(const spec::IdRegisters& now,
                                           const spec::IdRegisters& before);

}  // namespace iommucheck::oracle
