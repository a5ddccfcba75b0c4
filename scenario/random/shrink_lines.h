// SPDX-License-Identifier: MIT
// From a scenario that fails to a short one that fails in the same way.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/types.h"

namespace iommucheck::oracle::stories {

/// Leaves out lines (halves, quarters, …, single ones) as long as `still_fails` says so of what
/// remains, `runs_max` questions at most. The first line, the head, stays.
std::vector<std::string> shrink_lines(
    std::vector<std::string> lines,
    const std::function<bool(const std::vector<std::string>&)>& still_fails, u32 runs_max);

}  // namespace iommucheck::oracle::stories
