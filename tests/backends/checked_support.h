// SPDX-License-Identifier: MIT
// `check --backend` of an object: nothing is made small, and nothing written.
#pragma once

#include <string>

#include "check/check.h"

namespace iommucheck::test {

oracle::CheckResult checked_backend(const std::string& path, u64 seed, u64 runs, u32 findings = 1,
                                    const std::string& machine = "drawn");
/// No finding, and something was run.
void expect_held(const oracle::CheckResult& result, const std::string& what);

}  // namespace iommucheck::test
