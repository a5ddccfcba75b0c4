// SPDX-License-Identifier: MIT
#include "impl/smmuv3/cd_table.h"

#include <algorithm>

namespace iommucheck::impl {

namespace {

constexpr u64 l1cd_valid = 1;
constexpr u64 l1cd_address_mask = mask(51, 12);
constexpr u64 leaf_bytes = cd_bytes << CdTable::leaf_lg2;
constexpr u64 leaf_index_mask = (u64{1} << CdTable::leaf_lg2) - 1;

}  // namespace

u64 CdTable::root_bytes(unsigned bits) {
  return std::max<u64>(sizeof(u64) << (bits - leaf_lg2), page_bytes);
}

/// Invalid CDs, visible before anything can point to them; 0: no memory.
u64 CdTable::new_cds(const Platform& platform, u64 bytes) {
  const u64 pa = platform.table_alloc(bytes);
  if (pa == 0) return 0;
  platform.fill64(pa, bytes / sizeof(u64), 0);
  platform.clean(pa, bytes);
  platform.barrier();
  return pa;
}

void CdTable::free_memory(const Platform& platform, const Memory& memory) {
  if (memory.first == 0) return;
  if (memory.root == 0) {
    platform.table_free(memory.first, linear_bytes(memory.bits));
    return;
  }
  const u64* l1 = platform.words(memory.root);
  for (u64 i = 0; i < (u64{1} << (memory.bits - leaf_lg2)); ++i) {
    if ((l1[i] & l1cd_valid) != 0) platform.table_free(l1[i] & l1cd_address_mask, leaf_bytes);
  }
  platform.table_free(memory.root, root_bytes(memory.bits));
}

void CdTable::destroy(const Platform& platform, CdSlots& slots) {
  drop_abandoned(platform);
  free_memory(platform, memory());
  first_ = root_ = 0;
  drop_slot(slots);
}

bool CdTable::build(const Platform& platform, unsigned bits, bool two_level) {
  const bool with_root = two_level && bits > leaf_lg2;
  const u64 first = new_cds(platform, with_root ? leaf_bytes : linear_bytes(bits));
  if (first == 0) return false;
  const u64 root = with_root ? new_cds(platform, root_bytes(bits)) : 0;
  if (with_root && root == 0) {
    platform.table_free(first, leaf_bytes);
    return false;
  }
  const u64* cd0 = platform.words(slot_);
  for (u64 i = 0; i < cd_words; ++i) platform.store64(first + i * sizeof(u64), cd0[i]);
  platform.clean(first, cd_bytes);
  if (with_root) {
    platform.store64(root, first | l1cd_valid);
    platform.clean(root, sizeof(u64));
  }
  platform.barrier();
  first_ = first;
  root_ = root;
  bits_ = bits;
  return true;
}

void CdTable::abandon() {
  abandoned_ = memory();
  first_ = root_ = 0;
}

void CdTable::drop_abandoned(const Platform& platform) {
  free_memory(platform, abandoned_);
  abandoned_ = {};
}

void CdTable::drop_slot(CdSlots& slots) {
  if (slot_ != 0) slots.release(slot_);
  slot_ = 0;
}

CdTable::Reserved CdTable::reserve(const Platform& platform, u32 pasid) {
  if (root_ == 0) return Reserved::present;
  const u64 l1cd = root_ + (u64{pasid >> leaf_lg2} << entry_lg2);
  if (*platform.words(l1cd) != 0) return Reserved::present;
  const u64 leaf = new_cds(platform, leaf_bytes);
  if (leaf == 0) return Reserved::no_memory;
  platform.store64(l1cd, leaf | l1cd_valid);
  platform.clean(l1cd, sizeof(u64));
  platform.barrier();
  return Reserved::linked;
}

u64 CdTable::entry(const Platform& platform, u32 pasid) const {
  if (first_ == 0) return slot_;
  if (root_ == 0) return first_ + pasid * cd_bytes;
  const u64 l1cd = *platform.words(root_ + (u64{pasid >> leaf_lg2} << entry_lg2));
  if ((l1cd & l1cd_valid) == 0) return 0;
  return (l1cd & l1cd_address_mask) + (pasid & leaf_index_mask) * cd_bytes;
}

u64 CdTable::ste_word0(unsigned ssid_bits) const {
  if (first_ == 0) return ste::stage1(slot_);
  if (ssid_bits == 0) return ste::stage1(first_);
  const bool through_root = root_ != 0 && ssid_bits > leaf_lg2;
  return ste::stage1_table(through_root ? root_ : first_, through_root, ssid_bits);
}

}  // namespace iommucheck::impl
