// SPDX-License-Identifier: MIT
// A sequence that a test writes as lines (check/given.h), and what is found of a driver by it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "check/lockstep.h"

namespace iommucheck::test {

/// Each finding as one line. Lines that name no end are compared whole, and torn down. `look` may
/// see what the case leaves.
std::vector<std::string> findings_of_lines(const iommucheck_driver& driver, std::string_view lines,
                                           std::string_view machine = "default",
                                           const std::function<void(oracle::Lockstep&)>& look = {});

}  // namespace iommucheck::test
