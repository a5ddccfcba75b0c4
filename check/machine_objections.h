// SPDX-License-Identifier: MIT
// Why there can be no machine like that.
#pragma once

#include <string>

#include "check/machine.h"

namespace iommucheck::oracle {

/// Empty, or why there can be no such machine.
std::string objection_to(const Machine& machine);

/// Its ID registers agree with each other.
bool is_allowed(const Machine& machine);

}  // namespace iommucheck::oracle
