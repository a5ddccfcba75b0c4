// SPDX-License-Identifier: MIT
// What a driver may do before it counts as one that never comes to an end.
#pragma once

#include "base/types.h"

namespace iommucheck::oracle {

/// Things that one call asks of its platform: loops of a million reads that give up do not reach
/// it.
constexpr u64 steps_max_default = u64{1} << 22;
/// And what it may ask once it has a finding, which ends its case when it returns.
constexpr u64 steps_after_finding = u64{1} << 16;
/// A thing that is asked for many words (fill64) counts as one, and one more for each so many: all
/// of the window is some thousands.
constexpr u64 words_a_step = 512;

}  // namespace iommucheck::oracle
