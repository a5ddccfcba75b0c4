// SPDX-License-Identifier: MIT
// What a driver may do before it counts as one that never comes to an end.
#pragma once

#include <algorithm>

#include "base/types.h"

namespace iommucheck::oracle {

/// Things that one call asks of its platform: loops of a million reads that give up do not reach
/// it.
constexpr u64 steps_max_default = u64{1} << 22;
/// And for each page of 4 KiB of the longest range that a call of its case had: a command with its
/// two words, the register behind it and the wait for a place are a dozen, and whoever invalidates
/// page by page does so in the call that unmaps or in a later one.
constexpr u64 steps_a_page = 64;
constexpr u64 pages_with_steps = u64{1} << 18;  ///< of a range longer than 1 GiB no more
constexpr u64 steps_of_range(u64 bytes) {
  return std::min(bytes / 4096, pages_with_steps) * steps_a_page;
}
/// And what it may ask once it has a finding, which ends its case when it returns.
constexpr u64 steps_after_finding = u64{1} << 16;
/// A thing that is asked for many words (fill64) counts as one, and one more for each so many: all
/// of the window is some thousands.
constexpr u64 words_a_step = 512;

}  // namespace iommucheck::oracle
