// SPDX-License-Identifier: MIT
// What a change of a table has done, in words that every format shares: whoever changes tables
// decides by it which invalidations are owed.
#pragma once

#include "base/types.h"

namespace iommucheck::impl {

enum class MapStop : u8 {
  done,
  exists,            ///< something in the range is mapped
  no_memory,         ///< a table could not be allocated
  timed_out,         ///< all that was mapped may be there, or not
  table_in_the_way,  ///< a block belongs where an empty table hangs: detach(), then go on
};

struct MapProgress {
  u64 bytes;  ///< mapped from the start of the range
  MapStop stop;
};

/// Sets of leaf levels, bit n for level n: what an invalidation may be limited to. Level 0 is where
/// the widest tables of the format start.
using LevelSet = u8;
inline constexpr LevelSet level_bit(unsigned level) { return static_cast<LevelSet>(1u << level); }
inline constexpr LevelSet any_level = 0xff;

struct UnmapProgress {
  u64 bytes = 0;             ///< cleared from the start of the range, to the first hole
  LevelSet leaf_levels = 0;  ///< where cleared leaves stood
  bool tables_left = false;  ///< a table left the tree: the invalidation must cover pointers
};

/// A subtree that left the tree: it is free once an invalidation of [first, end) has completed
/// that covers pointers.
struct Detached {
  u64 table;       ///< its root, empty of leaves
  unsigned level;  ///< that of the table itself
  u64 slot;        ///< where it hung
  u64 first, end;  ///< what it translated
};

}  // namespace iommucheck::impl
