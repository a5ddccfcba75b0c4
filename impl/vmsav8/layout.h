// SPDX-License-Identifier: MIT
// Where an address is found in a table: the arithmetic of VMSAv8-64, of a granule by log2 of its
// page: 12, 14 or 16 (DDI 0487 D8.2). Templates over the word, so that a proof can run the same
// code.
//
//            4 KiB                    16 KiB                   64 KiB
//   level    covers    VA bits        covers    VA bits        covers    VA bits
//     0      512 GiB    47:39         128 TiB        47
//     1        1 GiB    38:30  block   64 GiB     46:36         4 TiB     47:42
//     2        2 MiB    29:21  block   32 MiB     35:25  block 512 MiB    41:29  block
//     3        4 KiB    20:12  page    16 KiB     24:14  page   64 KiB    28:16  page
//
// A table starts at the level that T0SZ selects (input_bits = 64 - T0SZ) and its first table has
// only the entries that input_bits reach: with 4 KiB T0SZ 25 starts at level 1 with 512 entries,
// T0SZ 39 at level 2 with 16. Stage 2 may have some tables one behind the other instead of a level
// of few entries; with 16 KiB it has to, as it cannot start at level 0.
#pragma once

#include "base/types.h"

namespace iommucheck::impl {

inline constexpr unsigned page_lg2 = 12;
inline constexpr unsigned entry_lg2 = 3;
inline constexpr u64 page_bytes = u64{1} << page_lg2;
inline constexpr unsigned last_level = 3;
inline constexpr unsigned input_bits_min = 25;
inline constexpr unsigned input_bits_max = 48;

/// log2 of the entries of a table.
constexpr unsigned index_lg2(unsigned page = page_lg2) { return page - entry_lg2; }

/// The first level at which blocks may stand.
constexpr unsigned first_block_level(unsigned page = page_lg2) { return page == 12 ? 1 : 2; }

/// log2 of what one entry of `level` (0..3) covers.
constexpr unsigned level_shift(unsigned level, unsigned page = page_lg2) {
  return page + (last_level - level) * index_lg2(page);
}

constexpr u64 level_bytes(unsigned level, unsigned page = page_lg2) {
  return u64{1} << level_shift(level, page);
}

/// Sizes of pages and blocks, a bit each.
constexpr u64 leaf_sizes(unsigned page) {
  u64 sizes = 0;
  for (unsigned level = first_block_level(page); level <= last_level; ++level) {
    sizes |= level_bytes(level, page);
  }
  return sizes;
}

/// The level of the first table, for 25 <= input_bits <= 48.
constexpr unsigned start_level(unsigned input_bits, unsigned page = page_lg2) {
  return last_level + 1 - (input_bits - page + index_lg2(page) - 1) / index_lg2(page);
}
constexpr unsigned stage2_start_level(unsigned input_bits, unsigned page) {
  const unsigned start = start_level(input_bits, page);
  return page == 14 && start == 0 ? 1 : start;
}

/// log2 of the entries of the table at `level`.
constexpr unsigned table_lg2(unsigned level, unsigned input_bits, unsigned page = page_lg2) {
  return level == start_level(input_bits, page) ? input_bits - level_shift(level, page)
                                                : index_lg2(page);
}

static_assert(start_level(48) == 0 && start_level(39) == 1 && start_level(40) == 0);
static_assert(start_level(25) == 2 && start_level(30) == 2 && start_level(31) == 1);
static_assert(table_lg2(2, 25) == 4, "T0SZ 39: 16 entries of 2 MiB");
static_assert(start_level(48, 14) == 0 && start_level(47, 14) == 1 && start_level(25, 14) == 3);
static_assert(start_level(48, 16) == 1 && start_level(42, 16) == 2 && start_level(25, 16) == 3);
static_assert(leaf_sizes(14) == 0x2004000 && leaf_sizes(16) == 0x20010000);

/// Which entry of its table at `level` (0..3) translates `iova`.
template <class W>
constexpr W table_index(W iova, unsigned level, unsigned lg2, unsigned page = page_lg2) {
  return (iova >> level_shift(level, page)) & W((u64{1} << lg2) - 1);
}

/// Address of that entry, for a table at `table`.
template <class W>
constexpr W entry_address(W table, W iova, unsigned level, unsigned lg2, unsigned page = page_lg2) {
  return table + (table_index(iova, level, lg2, page) << entry_lg2);
}

/// The part of `iova` that a leaf at `level` passes through.
template <class W>
constexpr W leaf_offset(W iova, unsigned level, unsigned page = page_lg2) {
  return iova & W(level_bytes(level, page) - 1);
}

}  // namespace iommucheck::impl
