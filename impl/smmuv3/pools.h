// SPDX-License-Identifier: MIT
// ASIDs and VMIDs, and slots for context descriptors that stand alone.
#pragma once

#include <bit>

#include "base/types.h"
#include "impl/platform/platform.h"
#include "impl/smmuv3/structures.h"

namespace iommucheck::impl {

/// The lowest free number from 1 on. 0 stays unused: a forgotten ASID is nobody's, and VMID 0 is
/// that of stage 1 alone.
class NumberAllocator {
 public:
  bool create(const Platform& platform, unsigned bits) {
    words_ = (u64{1} << bits) / 64;
    used_ = platform.arena<u64>(words_);
    if (used_ == nullptr) return false;
    used_[0] = 1;
    return true;
  }
  /// 0 when all are taken.
  u64 allocate() {
    for (u64 i = first_free_word_; i < words_; ++i) {
      if (used_[i] == ~u64{0}) continue;
      const auto free_bit = static_cast<unsigned>(std::countr_one(used_[i]));
      used_[i] |= u64{1} << free_bit;
      first_free_word_ = i;
      return i * 64 + free_bit;
    }
    return 0;
  }
  /// Takes this one; false if it is taken already.
  bool take(u64 number) {
    if (number / 64 >= words_) return false;
    u64& word = used_[number / 64];
    const u64 its_bit = u64{1} << (number % 64);
    const bool was_free = (word & its_bit) == 0;
    word |= its_bit;
    return was_free;
  }
  /// Only after its TLB entries are gone.
  void release(u64 number) {
    used_[number / 64] &= ~(u64{1} << (number % 64));
    if (number / 64 < first_free_word_) first_free_word_ = number / 64;
  }

 private:
  u64* used_ = nullptr;
  u64 words_ = 0;
  u64 first_free_word_ = 0;
};

/// 64-byte slots for CDs, 64 to a page; pages stay until destroy(). There is room for one of each
/// ASID, and for `more`: whoever has got an ASID, or is a device that needs one and leaves one
/// behind, finds a slot, unless memory is refused.
class CdSlots {
 public:
  static constexpr u64 slots = page_bytes / cd_bytes;

  bool create(const Platform& platform, unsigned asid_bits, u64 more) {
    pages_max_ = static_cast<u32>(((u64{1} << asid_bits) + more + slots - 1) / slots);
    pages_ = platform.arena<u64>(pages_max_);
    used_ = platform.arena<u64>(pages_max_);
    return pages_ != nullptr && used_ != nullptr;
  }
  /// Address of a free slot; 0: no memory.
  u64 allocate(const Platform& platform) {
    for (u32 i = first_free_page_; i < count_; ++i) {
      if (used_[i] == ~u64{0}) continue;
      const auto slot = static_cast<unsigned>(std::countr_one(used_[i]));
      used_[i] |= u64{1} << slot;
      first_free_page_ = i;
      return pages_[i] + slot * cd_bytes;
    }
    if (count_ == pages_max_) return 0;
    const u64 page = platform.table_alloc(page_bytes);
    if (page == 0) return 0;
    first_free_page_ = count_;
    pages_[count_] = page;
    used_[count_++] = 1;
    return page;
  }
  /// Only after no STE, in memory or cached, points to it.
  void release(u64 pa) {
    for (u32 i = 0; i < count_; ++i) {
      if (pa - pages_[i] >= page_bytes) continue;
      used_[i] &= ~(u64{1} << ((pa - pages_[i]) / cd_bytes));
      if (i < first_free_page_) first_free_page_ = i;
      return;
    }
  }
  void destroy(const Platform& platform) {
    while (count_ > 0) platform.table_free(pages_[--count_], page_bytes);
    first_free_page_ = 0;
  }

 private:
  u64* pages_ = nullptr;
  u64* used_ = nullptr;
  u32 pages_max_ = 0;
  u32 count_ = 0;
  u32 first_free_page_ = 0;  // all before it are full
};
static_assert(CdSlots::slots == 64, "one bit of a word each");

}  // namespace iommucheck::impl
