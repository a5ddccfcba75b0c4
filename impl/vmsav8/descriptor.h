// SPDX-License-Identifier: MIT
// Stage 1 and stage 2 descriptors, VMSAv8-64 (DDI 0487 D8.3). Writing and
// recognising only: what a descriptor permits is the hardware's business.
#pragma once

#include "base/bits.h"
#include "base/types.h"
#include "impl/vmsav8/layout.h"
#include "include/iommucheck/driver.h"

namespace iommucheck::impl {

namespace descriptor {

inline constexpr u64 valid = 1;
inline constexpr u64 table_or_page = 2;                // bit 1: table (levels 0..2), page (level 3)
inline constexpr unsigned attr_index_lsb = 2;          // AttrIndx [4:2], into CD.MAIR
inline constexpr u64 ap_unprivileged = 1 << 6;         // AP[1]
inline constexpr u64 ap_read_only = 1 << 7;            // AP[2]
inline constexpr u64 inner_shareable = 3 << 8;         // SH [9:8]
inline constexpr u64 access_flag = 1 << 10;            // AF: no flag fault
inline constexpr u64 not_global = 1 << 11;             // nG: tagged by ASID, always
inline constexpr u64 privileged_never = u64{1} << 53;  // PXN
inline constexpr u64 unprivileged_never = u64{1} << 54;  // UXN
inline constexpr u64 address_mask = mask(47, page_lg2);

/// MAIR that AttrIndx selects from: 0 normal write-back, 1 device nGnRE.
inline constexpr u64 mair = 0xff | 0x04 << 8;
inline constexpr u64 attr_normal = 0;
inline constexpr u64 attr_device = 1;

/// A table descriptor. No hierarchical restriction: the leaf alone decides.
template <class W>
constexpr W make_table(W pa) {
  return pa | W(valid | table_or_page);
}

/// A page (level 3) or a block with output `pa`; `attributes` from leaf_attributes().
template <class W>
constexpr W make_leaf(W pa, u64 attributes, unsigned level) {
  return pa | W(attributes | valid | (level == last_level ? table_or_page : 0));
}

/// The bits of a leaf beside address and type, from IOMMUCHECK_PROT_*. Reading cannot be withheld
/// by stage 1, so writing or executing implies it.
constexpr u64 leaf_attributes(u32 prot) {
  u64 word = access_flag | not_global | inner_shareable;
  word |= ((prot & IOMMUCHECK_PROT_DEVICE) != 0 ? attr_device : attr_normal) << attr_index_lsb;
  if ((prot & IOMMUCHECK_PROT_PRIVILEGED) == 0) word |= ap_unprivileged;
  if ((prot & IOMMUCHECK_PROT_WRITE) == 0) word |= ap_read_only;
  if ((prot & IOMMUCHECK_PROT_EXEC) == 0) word |= privileged_never | unprivileged_never;
  return word;
}

/// The same of stage 2, which says the memory type itself (MemAttr [5:2]) and knows no privilege
/// for data: PRIVILEGED counts for nothing.
constexpr u64 stage2_attributes(u32 prot) {
  constexpr unsigned memattr_lsb = 2;
  constexpr u64 normal_write_back = 0xf;
  constexpr u64 device_ngnre = 0x1;
  constexpr u64 readable = 1 << 6;             // S2AP[0]
  constexpr u64 writable = 1 << 7;             // S2AP[1]
  constexpr u64 execute_never = u64{2} << 53;  // XN[1:0]
  u64 word = access_flag | inner_shareable | readable;
  word |= ((prot & IOMMUCHECK_PROT_DEVICE) != 0 ? device_ngnre : normal_write_back) << memattr_lsb;
  if ((prot & IOMMUCHECK_PROT_WRITE) != 0) word |= writable;
  if ((prot & IOMMUCHECK_PROT_EXEC) == 0) word |= execute_never;
  return word;
}

// What the SMMU marks when it writes (IHI 0070 3.13.3): a leaf with DBM is writable, and dirty if
// bit 7 says so. That is AP[2] at stage 1, where it takes the right, and S2AP[1] at stage 2, where
// it gives it.
inline constexpr u64 dirty_bit_modifier = u64{1} << 51;
inline constexpr u64 write_bit = 1 << 7;

constexpr u64 with_write_bit(u64 word, bool is) {
  return is ? word | write_bit : word & ~write_bit;
}
constexpr bool lets_write(u64 word, bool stage2) { return ((word & write_bit) != 0) == stage2; }
constexpr bool is_writable(u64 word, bool stage2) {
  return (word & dirty_bit_modifier) != 0 || lets_write(word, stage2);
}
constexpr bool is_dirty(u64 word, bool stage2) {
  return (word & dirty_bit_modifier) != 0 && lets_write(word, stage2);
}
/// Of a writable one.
constexpr u64 make_clean(u64 word, bool stage2) {
  return with_write_bit(word | dirty_bit_modifier, !stage2);
}
/// Of one with DBM.
constexpr u64 make_dirty(u64 word, bool stage2) { return with_write_bit(word, stage2); }
constexpr u64 make_untracked(u64 word, bool stage2) {
  return with_write_bit(word & ~dirty_bit_modifier, stage2);
}

constexpr bool is_valid(u64 word) { return (word & valid) != 0; }
constexpr bool is_table(u64 word, unsigned level) {
  return level != last_level && (word & (valid | table_or_page)) == (valid | table_or_page);
}
constexpr u64 address(u64 word) { return word & address_mask; }

}  // namespace descriptor
}  // namespace iommucheck::impl
