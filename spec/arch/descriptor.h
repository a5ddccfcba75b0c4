// SPDX-License-Identifier: MIT
// VMSAv8-64 stage 1 descriptors. DDI 0487 D8.3; arch 4.3. Layout only: what follows from a field
// is decided in walk.h and access.h.
//
// Worked value, 4 KiB, level 3: 0x0060'0000'8000'0f43 is a page at PA 0x80000000 with UXN, PXN,
// nG, AF, SH 3, AP[2:1] = 01 (writable by all), AttrIndx 0.
#pragma once

#include "spec/arch/granule.h"

namespace iommucheck::spec {

enum class DescriptorType : u8 { invalid, table, leaf };

/// Type of a stage 1 or stage 2 descriptor. Reserved encodings, and blocks at a level that has
/// none, are invalid. At most two forks.
template <Word W>
constexpr DescriptorType descriptor_type(Granule granule, unsigned level, W word,
                                         bool wide_output = false) {
  if (!flag(word, 0)) return DescriptorType::invalid;
  const Flag<W> bit1 = flag(word, 1);
  if (level == last_level) {
    if (bit1) return DescriptorType::leaf;
    return DescriptorType::invalid;
  }
  if (bit1) return DescriptorType::table;
  return block_allowed(granule, level, wide_output) ? DescriptorType::leaf
                                                    : DescriptorType::invalid;
}

/// Address bits [47:lo] in place; with a 52-bit output size the 64 KiB granule keeps [51:48] in
/// bits [15:12]. With other granules bits [51:48] are ignored (IDR5.DS = 0).
template <Word W>
constexpr W descriptor_address(Granule granule, unsigned lo, W word, bool wide_output) {
  const W low = field_in_place(word, 47, lo);
  if (granule != Granule::g64k || !wide_output) return low;
  return low | (field(word, 15, 12) << 48);
}

/// Address of the table that a table descriptor points to.
template <Word W>
constexpr W next_table_address(Granule granule, W word, bool wide_output = false) {
  return descriptor_address(granule, page_shift(granule), word, wide_output);
}

/// First output address of a block or page at `level`; the contiguous hint changes nothing here.
template <Word W>
constexpr W output_address(Granule granule, unsigned level, W word, bool wide_output = false) {
  return descriptor_address(granule, level_shift(granule, level), word, wide_output);
}

// Fields of a block or page.
template <Word W>
constexpr W attr_indx(W word) {
  return field(word, 4, 2);
}
/// unprivileged may access
template <Word W>
constexpr Flag<W> ap1(W word) {
  return flag(word, 6);
}
/// read-only
template <Word W>
constexpr Flag<W> ap2(W word) {
  return flag(word, 7);
}
template <Word W>
constexpr W shareability(W word) {
  return field(word, 9, 8);
}
template <Word W>
constexpr Flag<W> access_flag(W word) {
  return flag(word, 10);
}
template <Word W>
constexpr Flag<W> not_global(W word) {
  return flag(word, 11);
}
/// nT, blocks only (BBML 1)
template <Word W>
constexpr Flag<W> no_translation(W word) {
  return flag(word, 16);
}
template <Word W>
constexpr Flag<W> dirty_bit_modifier(W word) {
  return flag(word, 51);
}
template <Word W>
constexpr Flag<W> contiguous_hint(W word) {
  return flag(word, 52);
}
template <Word W>
constexpr Flag<W> pxn(W word) {
  return flag(word, 53);
}
/// XN where one privilege exists
template <Word W>
constexpr Flag<W> uxn(W word) {
  return flag(word, 54);
}

// Fields of a table descriptor.
template <Word W>
constexpr Flag<W> pxn_table(W word) {
  return flag(word, 59);
}
template <Word W>
constexpr Flag<W> uxn_table(W word) {
  return flag(word, 60);
}
/// no unprivileged access below
template <Word W>
constexpr Flag<W> ap_table0(W word) {
  return flag(word, 61);
}
/// no write below
template <Word W>
constexpr Flag<W> ap_table1(W word) {
  return flag(word, 62);
}
template <Word W>
constexpr Flag<W> ns_table(W word) {
  return flag(word, 63);
}

/// Positions, for those who write descriptors: tests, litmus, the environment's page tables.
namespace descriptor_bits {
inline constexpr u64 valid = 1;
inline constexpr u64 table_or_page = 2;
inline constexpr u64 ap1 = u64{1} << 6;
inline constexpr u64 ap2 = u64{1} << 7;
inline constexpr u64 sh_inner = u64{3} << 8;
inline constexpr u64 af = u64{1} << 10;
inline constexpr u64 ng = u64{1} << 11;
inline constexpr u64 nt = u64{1} << 16;
inline constexpr u64 dbm = u64{1} << 51;
inline constexpr u64 contiguous = u64{1} << 52;
inline constexpr u64 pxn = u64{1} << 53;
inline constexpr u64 uxn = u64{1} << 54;
inline constexpr u64 pxn_table = u64{1} << 59;
inline constexpr u64 uxn_table = u64{1} << 60;
inline constexpr u64 ap_table0 = u64{1} << 61;
inline constexpr u64 ap_table1 = u64{1} << 62;
}  // namespace descriptor_bits

}  // namespace iommucheck::spec
