// SPDX-License-Identifier: MIT
// What a run of conform says of each rule that an SMMU or device has to keep.
#pragma once

#include <array>
#include <vector>

#include "conform/judge_case.h"
#include "monitor/rule_verdicts.h"

namespace iommucheck::oracle {

/// By number of the rule: `named`, cases that ask for it by name; `broken`, cases that broke it.
std::vector<RuleCount> device_rule_counts(CaseJudge& judge, const std::array<u64, 256>& named,
                                          const std::array<u64, 256>& broken, u64 cases);

}  // namespace iommucheck::oracle
