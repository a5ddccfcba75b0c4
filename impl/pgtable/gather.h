// SPDX-License-Identifier: MIT
// What an address space owes the caches of translations: ranges gathered from unmaps.
#pragma once

#include <array>

#include "base/types.h"
#include "impl/pgtable/progress.h"

namespace iommucheck::impl {

/// [first, end): leaves of the given levels in it, and with `tables` also the pointers on the way.
struct TlbRange {
  u64 first = 0;
  u64 end = 0;
  LevelSet leaf_levels = 0;
  bool tables = false;
};

/// A small set of ranges; touching ones merge, and too many become "everything".
class Gather {
 public:
  void add(TlbRange range);
  void add_all() { all_ = true; }
  void clear() {
    count_ = 0;
    all_ = false;
  }
  bool empty() const { return count_ == 0 && !all_; }
  bool all() const { return all_; }
  const TlbRange* begin() const { return ranges_.data(); }
  const TlbRange* end() const { return ranges_.data() + count_; }

 private:
  static constexpr u32 capacity = 4;
  std::array<TlbRange, capacity> ranges_{};
  u32 count_ = 0;
  bool all_ = false;
};

}  // namespace iommucheck::impl
