// SPDX-License-Identifier: MIT
// Where an address is found in a table: the arithmetic of VMSAv8-64 with the 4 KiB granule,
// stage 1 (DDI 0487 D8.2). Templates over the word, so that a proof can run the same code.
//
//   level   an entry covers   index is VA bits   leaf
//     0        512 GiB           47:39           none
//     1          1 GiB           38:30           block
//     2          2 MiB           29:21           block
//     3          4 KiB           20:12           page
//
// A table starts at the level that T0SZ selects (input_bits = 64 - T0SZ) and its first table has
// only the entries that input_bits reach: T0SZ 25 starts at level 1 with 512 entries, T0SZ 39 at
// level 2 with 16.
#pragma once

#include "base/types.h"

namespace iommucheck::impl {

inline constexpr unsigned page_lg2 = 12;
inline constexpr unsigned index_lg2 = 9;
inline constexpr unsigned entry_lg2 = 3;
inline constexpr u64 page_bytes = u64{1} << page_lg2;
inline constexpr unsigned last_level = 3;
inline constexpr unsigned first_block_level = 1;
inline constexpr unsigned input_bits_min = 25;
inline constexpr unsigned input_bits_max = 48;

/// log2 of what one entry of `level` (0..3) covers.
constexpr unsigned level_shift(unsigned level) {
  return page_lg2 + (last_level - level) * index_lg2;
}

constexpr u64 level_bytes(unsigned level) { return u64{1} << level_shift(level); }

/// The level of the first table, for 25 <= input_bits <= 48.
constexpr unsigned start_level(unsigned input_bits) {
  return last_level + 1 - (input_bits - page_lg2 + index_lg2 - 1) / index_lg2;
}

/// log2 of the entries of the table at `level`.
constexpr unsigned table_lg2(unsigned level, unsigned input_bits) {
  return level == start_level(input_bits) ? input_bits - level_shift(level) : index_lg2;
}

static_assert(start_level(48) == 0 && start_level(39) == 1 && start_level(40) == 0);
static_assert(start_level(25) == 2 && start_level(30) == 2 && start_level(31) == 1);
static_assert(table_lg2(2, 25) == 4, "T0SZ 39: 16 entries of 2 MiB");

/// Which entry of its table at `level` (0..3) translates `iova`.
template <class W>
constexpr W table_index(W iova, unsigned level, unsigned lg2 = index_lg2) {
  return (iova >> level_shift(level)) & W((u64{1} << lg2) - 1);
}

/// Address of that entry, for a table at `table`.
template <class W>
constexpr W entry_address(W table, W iova, unsigned level, unsigned lg2 = index_lg2) {
  return table + (table_index(iova, level, lg2) << entry_lg2);
}

/// The part of `iova` that a leaf at `level` passes through.
template <class W>
constexpr W leaf_offset(W iova, unsigned level) {
  return iova & W(level_bytes(level) - 1);
}

}  // namespace iommucheck::impl
