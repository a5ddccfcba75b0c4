// SPDX-License-Identifier: MIT
#include "impl/smmuv3/stream_table.h"

#include <algorithm>
#include <bit>

#include "impl/vmsav8/layout.h"

namespace iommucheck::impl {

namespace {

constexpr u32 split = 6;  // 64 STEs of 64 bytes: one page a leaf
constexpr u64 leaf_entries = u64{1} << split;
constexpr u64 ste_leaf_bytes = leaf_entries * ste_bytes;
constexpr u64 span = split + 1;

constexpr u64 l1std_address_mask = mask(51, 6);

}  // namespace

u64 StreamTable::bytes() const {
  const u64 used = two_level_ ? u64{8} << (lg2_ - split) : ste_bytes << lg2_;
  return std::max<u64>(used, page_bytes);
}

/// Blocked STEs, visible before anything can point to them.
u64 StreamTable::new_leaf(const Platform& platform, u64 entries, u64 bytes) const {
  const u64 pa = platform.table_alloc(bytes);
  if (pa == 0) return 0;
  platform.fill64(pa, bytes / sizeof(u64), 0);
  for (u64 i = 0; i < entries; ++i) {
    platform.store64(pa + i * ste_bytes + 8, word1_);
    platform.store64(pa + i * ste_bytes, ste::blocked);
  }
  platform.clean(pa, bytes);
  platform.barrier();
  return pa;
}

bool StreamTable::create(const Platform& platform, const Features& features, u32 max_stream_id) {
  word1_ = ste::word1(features);
  // No larger than the devices need: IDs beyond are C_BAD_STREAMID, which blocks as well.
  const auto needed = static_cast<u32>(std::bit_width(max_stream_id));
  two_level_ = features.two_level_stream_table && features.stream_id_bits > split;
  lg2_ = two_level_ ? std::max(needed, split + 1) : needed;
  if (!two_level_) {
    base_ = new_leaf(platform, u64{1} << lg2_, bytes());
    return base_ != 0;
  }
  base_ = platform.table_alloc(bytes());
  if (base_ == 0) return false;
  platform.fill64(base_, bytes() / sizeof(u64), 0);  // Span = 0: no STEs there
  platform.clean(base_, bytes());
  platform.barrier();
  return true;
}

void StreamTable::destroy(const Platform& platform) {
  if (base_ == 0) return;
  if (two_level_) {
    const u64* l1 = platform.words(base_);
    for (u64 i = 0; i < (u64{1} << (lg2_ - split)); ++i) {
      const u64 leaf = l1[i] & l1std_address_mask;
      if (leaf != 0) platform.table_free(leaf, ste_leaf_bytes);
    }
  }
  platform.table_free(base_, bytes());
  base_ = 0;
}

void StreamTable::program(const Platform& platform) const {
  platform.write64(reg::strtab_base, reg::base_allocate | base_);
  platform.write32(reg::strtab_base_cfg,
                   two_level_ ? reg::strtab_two_level | split << 6 | lg2_ : lg2_);
}

StreamTable::Added StreamTable::add(const Platform& platform, u32 stream_id) {
  if (!two_level_) return Added::present;
  const u64 l1std = base_ + (u64{stream_id >> split} << entry_lg2);
  if (*platform.words(l1std) != 0) return Added::present;
  const u64 leaf = new_leaf(platform, leaf_entries, ste_leaf_bytes);
  if (leaf == 0) return Added::no_memory;
  platform.store64(l1std, make_l1std(leaf, span));
  platform.clean(l1std, sizeof(u64));
  return Added::linked;
}

u64 StreamTable::entry(const Platform& platform, u32 stream_id) const {
  if (!two_level_) return base_ + stream_id * ste_bytes;
  const u64 l1std = base_ + (u64{stream_id >> split} << entry_lg2);
  const u64 leaf = *platform.words(l1std) & l1std_address_mask;
  return leaf + (stream_id & (leaf_entries - 1)) * ste_bytes;
}

}  // namespace iommucheck::impl
