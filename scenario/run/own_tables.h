// SPDX-License-Identifier: MIT
// PASID tables are a domain's or a device's. Most stories are of both.
#pragma once

#include <optional>

#include "scenario/format/ast.h"

namespace iommucheck::oracle::stories {

/// The scenario in a world with tables of each device; nullopt where it says whose they are.
std::optional<scenario::Scenario> with_own_tables(const scenario::Scenario& scenario);

}  // namespace iommucheck::oracle::stories
