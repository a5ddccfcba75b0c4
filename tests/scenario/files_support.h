// SPDX-License-Identifier: MIT
// The scenarios of scenario/files, read once.
#pragma once

#include <string>
#include <vector>

#include "scenario/format/ast.h"

namespace iommucheck::test {

/// Paths of all files, in order.
const std::vector<std::string>& scenario_paths();
/// All scenarios of them; a file that cannot be read fails the test and gives none.
const std::vector<scenario::Scenario>& all_scenarios();

}  // namespace iommucheck::test
