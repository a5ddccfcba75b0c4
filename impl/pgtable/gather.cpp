// SPDX-License-Identifier: MIT
#include "impl/pgtable/gather.h"

#include <algorithm>

namespace iommucheck::impl {

void Gather::add(TlbRange range) {
  if (all_ || range.first == range.end) return;
  for (u32 i = 0; i < count_; ++i) {
    TlbRange& other = ranges_[i];
    if (range.first > other.end || other.first > range.end) continue;
    range.first = std::min(range.first, other.first);
    range.end = std::max(range.end, other.end);
    range.leaf_levels |= other.leaf_levels;
    range.tables |= other.tables;
    // What it grew to may touch the others: take this one out and look again.
    other = ranges_[--count_];
    add(range);
    return;
  }
  if (count_ == capacity) {
    all_ = true;
    return;
  }
  ranges_[count_++] = range;
}

}  // namespace iommucheck::impl
