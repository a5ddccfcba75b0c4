// SPDX-License-Identifier: MIT
// VMSAv8-64 translation granules: the geometry of tables. DDI 0487 D8.2; arch 4.2.
//
// Worked values, 4 KiB: levels shift by 39, 30, 21, 12; TxSZ 16 starts at level 0, 25 at level 1,
// 34 at level 2. 64 KiB: levels 1 to 3 shift by 42, 29, 16; TxSZ 16 starts at level 1.
#pragma once

#include "base/word.h"

namespace iommucheck::spec {

enum class Granule : u8 { g4k, g16k, g64k };

inline constexpr unsigned last_level = 3;

/// log2 of the page size in bytes: 12, 14, 16.
constexpr unsigned page_shift(Granule granule) { return 12 + 2 * static_cast<unsigned>(granule); }

/// Input bits that one full table resolves: 9, 11, 13.
constexpr unsigned bits_per_level(Granule granule) { return page_shift(granule) - 3; }

/// log2 of the bytes that one entry at `level` (0..3) spans. 64 KiB has no level 0.
constexpr unsigned level_shift(Granule granule, unsigned level) {
  return page_shift(granule) + (last_level - level) * bits_per_level(granule);
}

/// log2 of the bytes that a leaf at `level` maps, the contiguous hint aside.
constexpr unsigned leaf_size_lg2(Granule granule, unsigned level) {
  return level_shift(granule, level);
}

/// A block descriptor exists at this level (IDR5.DS = 0). `wide_output`: 52-bit output.
constexpr bool block_allowed(Granule granule, unsigned level, bool wide_output = false) {
  switch (granule) {
    case Granule::g4k: return level == 1 || level == 2;
    case Granule::g16k: return level == 2;
    case Granule::g64k: return level == 2 || (level == 1 && wide_output);
  }
  return false;
}

/// log2 of the entries in a contiguous group of leaves at `level`; 0 where the hint means nothing.
constexpr unsigned contiguous_lg2(Granule granule, unsigned level) {
  switch (granule) {
    case Granule::g4k: return level >= 1 && level <= 3 ? 4 : 0;
    case Granule::g16k: return level == 3 ? 7 : level == 2 ? 5 : 0;
    case Granule::g64k: return level == 3 || level == 2 ? 5 : 0;
  }
  return 0;
}

/// Legal TxSZ, both ends included. `small_tables`: IDR3.STT; `wide_input`: IDR5.VAX >= 1. arch 3.4.
constexpr unsigned tsz_max(Granule granule, bool small_tables) {
  if (!small_tables) return 39;
  return granule == Granule::g64k ? 47 : 48;
}
constexpr unsigned tsz_min(Granule granule, bool wide_input) {
  return wide_input && granule == Granule::g64k ? 12 : 16;
}

/// The largest TxSZ for which a walk starts at `level` (0..3): below it the table of `level`
/// would resolve no bit.
constexpr unsigned start_level_tsz_max(Granule granule, unsigned level) {
  return 63 - level_shift(granule, level);
}

/// Level at which a stage 1 walk starts. `tsz` is a legal TxSZ for the granule (else the answer is
/// a level all the same). At most three forks.
template <Word W>
constexpr unsigned start_level(Granule granule, W tsz) {
  for (unsigned level = granule == Granule::g64k ? 1 : 0; level < last_level; ++level) {
    if (less_equal(tsz, W(start_level_tsz_max(granule, level)))) return level;
  }
  return last_level;
}

/// Index into the table at `level` of a walk that starts at `start`; 64 - tsz input bits take part.
template <Word W>
constexpr W table_index(Granule granule, unsigned start, unsigned level, W tsz, W va) {
  const unsigned shift = level_shift(granule, level);
  if (level == start) return (va & low_mask(W(64) - tsz)) >> shift;
  return field(va, shift + bits_per_level(granule) - 1, shift);
}

/// log2 of the number of entries of the table at which the walk starts.
template <Word W>
constexpr W start_entries_lg2(Granule granule, unsigned start, W tsz) {
  return W(64 - level_shift(granule, start)) - tsz;
}

/// Low bits of the input address that a leaf at `level` hands on unchanged.
template <Word W>
constexpr W leaf_offset(Granule granule, unsigned level, W va) {
  return field(va, level_shift(granule, level) - 1, 0);
}

}  // namespace iommucheck::spec
