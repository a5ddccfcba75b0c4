// SPDX-License-Identifier: MIT
// A stage 1 table in memory that an SMMU may be walking: the verbs are map, unmap and detach.
//
// This library knows nothing of TLBs. It never frees a page that hardware may still point to:
// a table that leaves the tree is handed to the caller, who frees it (free_subtree) after an
// invalidation that covers it, pointers included, has completed. For the same reason a block is
// never split and a valid descriptor never overwritten: 0 -> valid and valid -> 0 are the only
// changes, so that break-before-make never arises (DDI 0487 D8.14, arch 7.4).
//
// Stores are visible to the SMMU only after the caller's next barrier or ordered register write.
#pragma once

#include <array>

#include "base/types.h"
#include "impl/pgtable/layout.h"
#include "impl/platform/platform.h"

namespace iommucheck::impl {

enum class MapStop : u8 {
  done,
  exists,            ///< something in the range is mapped
  no_memory,         ///< a table could not be allocated
  table_in_the_way,  ///< a block belongs where an empty table hangs: detach(), then go on
};

struct MapProgress {
  u64 bytes;  ///< mapped from the start of the range
  MapStop stop;
};

/// Sets of leaf levels, bit n for level n: what an invalidation may be limited to.
using LevelSet = u8;
inline constexpr LevelSet level_bit(unsigned level) { return static_cast<LevelSet>(1u << level); }
inline constexpr LevelSet any_level = 0b1110;

/// Pages of level 3 that left a tree and wait for their invalidation. When there is no room
/// tables stay in the tree, empty.
class RetiredTables {
 public:
  static constexpr u32 capacity = 16;
  bool full() const { return count_ == capacity; }
  bool empty() const { return count_ == 0; }
  void push(u64 pa) { pages_[count_++] = pa; }
  /// To be called when no cache can hold a pointer to them any more.
  void free_all(const Platform& platform) {
    while (count_ > 0) platform.table_free(pages_[--count_], table_bytes);
  }

 private:
  std::array<u64, capacity> pages_{};
  u32 count_ = 0;
};

struct UnmapProgress {
  u64 bytes = 0;             ///< cleared from the start of the range, to the first hole
  LevelSet leaf_levels = 0;  ///< where cleared leaves stood
  bool tables_left = false;  ///< a table left the tree: the invalidation must cover pointers
};

class PageTable {
 public:
  /// Allocates an empty root for addresses of `input_bits` (25..48). False: no memory.
  bool create(const Platform& platform, unsigned input_bits);
  /// Frees every table. Nothing may reach the root any more, in memory or in caches.
  void destroy(const Platform& platform);

  u64 root() const { return root_; }
  unsigned input_bits() const { return input_bits_; }

  /// Maps multiples of 4 KiB within the input range, with blocks where iova, pa and what is left
  /// allow it; `attributes` from descriptor::leaf_attributes. What was mapped before the stop stays
  /// mapped: the caller unmaps it.
  MapProgress map(const Platform& platform, u64 iova, u64 pa, u64 bytes, u64 attributes);

  /// Clears leaves from `iova` on until `bytes` are done, a hole, or a block of which only a part
  /// is asked for. Tables of level 3 that this empties go to `retired`.
  UnmapProgress unmap(const Platform& platform, u64 iova, u64 bytes, RetiredTables& retired);

  struct Detached {
    u64 table;       ///< root of the subtree, empty of leaves
    unsigned level;  ///< that of the table itself; it covered level_bytes(level - 1)
    u64 slot;        ///< where it hung
  };
  /// Takes out the empty table that made map() stop at `iova` with table_in_the_way.
  Detached detach(const Platform& platform, u64 iova, u64 pa, u64 bytes);
  /// Hangs it back: a pointer over the same pointer conflicts with nothing.
  static void attach(const Platform& platform, const Detached& detached);
  static void free_subtree(const Platform& platform, u64 table, unsigned level);

  /// Output address of `iova`, 0 if it is not mapped or out of range.
  u64 translate(const Platform& platform, u64 iova) const;

 private:
  MapProgress map_step(const Platform& platform, u64 iova, u64 pa, u64 bytes, u64 attributes);
  UnmapProgress unmap_step(const Platform& platform, u64 iova, u64 bytes, RetiredTables& retired);
  unsigned lg2_of(unsigned level) const { return table_lg2(level, input_bits_); }

  u64 root_ = 0;
  unsigned input_bits_ = 0;
  unsigned start_level_ = 0;
};

}  // namespace iommucheck::impl
