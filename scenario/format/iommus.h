// SPDX-License-Identifier: MIT
// The IOMMUs of a world, by the names that its devices and domains give them.
#pragma once

#include <optional>
#include <string_view>

#include "base/error.h"
#include "scenario/format/ast.h"

namespace iommucheck::scenario {

/// A device, or a domain, of an IOMMU that the world has not got. There are as many as `iommus=`
/// says; where it says nothing, those that devices name, I2 only where I0 and I1 are.
std::optional<Error> check_iommus(const Scenario& scenario, std::string_view file);

}  // namespace iommucheck::scenario
