// SPDX-License-Identifier: MIT
// What a driver may do before it counts as one that never comes to an end.
#pragma once

#include "base/types.h"

namespace iommucheck::oracle {

/// Things that one call asks of its platform: loops of a million reads that give up do not reach
/// it.
constexpr u64 steps_max_default = u64{1} << 22;

}  // namespace iommucheck::oracle
