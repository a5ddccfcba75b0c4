// SPDX-License-Identifier: MIT
// Fixed-size state in the arena: domains by handle, ASIDs, slots for context descriptors.
#pragma once

#include <array>
#include <bit>

#include "base/types.h"
#include "impl/platform/platform.h"
#include "impl/smmuv3/structures.h"

namespace iommucheck::impl {

/// Objects that are named by a handle: slot number + 1 in the low half, generation above, so that
/// a handle of an object that was freed names nothing. T has `bool used` and `u32 generation`.
template <class T>
class Pool {
 public:
  static constexpr u32 chunk_size = 8;
  static constexpr u32 chunks_max = 128;

  /// Null when the arena is full or chunk_size * chunks_max objects live.
  T* allocate(const Platform& platform) {
    for (u32 i = first_free_; i < size_; ++i) {
      if (!slot(i).used) return take(i);
    }
    const u32 chunk = size_ / chunk_size;
    if (chunk == chunks_max) return nullptr;
    chunks_[chunk] = platform.arena<T>(chunk_size);
    if (chunks_[chunk] == nullptr) return nullptr;
    size_ += chunk_size;
    return take(size_ - chunk_size);
  }

  void release(T& object) {
    object.used = false;
    const u32 index = object.index;
    if (index < first_free_) first_free_ = index;
  }

  iommucheck_handle handle(const T& object) const {
    return u64{object.generation} << 32 | (object.index + 1);
  }

  T* find(iommucheck_handle handle) {
    const u64 index = (handle & 0xffff'ffff) - 1;
    if (index >= size_) return nullptr;
    T& object = slot(static_cast<u32>(index));
    return object.used && object.generation == handle >> 32 ? &object : nullptr;
  }

  template <class Visit>
  void for_each_used(Visit visit) {
    for (u32 i = 0; i < size_; ++i) {
      if (slot(i).used) visit(slot(i));
    }
  }

 private:
  T& slot(u32 index) { return chunks_[index / chunk_size][index % chunk_size]; }
  T* take(u32 index) {
    T& object = slot(index);
    const u32 generation = object.generation + 1;
    object = T();
    object.generation = generation;
    object.index = index;
    object.used = true;
    first_free_ = index + 1;
    return &object;
  }

  std::array<T*, chunks_max> chunks_{};
  u32 size_ = 0;
  u32 first_free_ = 0;  // no slot below it is free
};

/// The lowest free ASID from 1 on. 0 stays unused, so that a forgotten ASID is nobody's.
class AsidAllocator {
 public:
  bool create(const Platform& platform, unsigned asid_bits) {
    words_ = (u64{1} << asid_bits) / 64;
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
  /// Only after its TLB entries are gone.
  void release(u64 asid) {
    used_[asid / 64] &= ~(u64{1} << (asid % 64));
    if (asid / 64 < first_free_word_) first_free_word_ = asid / 64;
  }

 private:
  u64* used_ = nullptr;
  u64 words_ = 0;
  u64 first_free_word_ = 0;
};

/// 64-byte slots for CDs, 64 to a page; pages stay until destroy().
class CdSlots {
 public:
  static constexpr u32 pages_max = 16;
  static constexpr u64 slots = page_bytes / cd_bytes;

  /// Address of a free slot; 0: no memory.
  u64 allocate(const Platform& platform) {
    for (u32 i = 0; i < count_; ++i) {
      if (used_[i] == ~u64{0}) continue;
      const auto slot = static_cast<unsigned>(std::countr_one(used_[i]));
      used_[i] |= u64{1} << slot;
      return pages_[i] + slot * cd_bytes;
    }
    if (count_ == pages_max) return 0;
    const u64 page = platform.table_alloc(page_bytes);
    if (page == 0) return 0;
    pages_[count_] = page;
    used_[count_++] = 1;
    return page;
  }
  /// Only after no STE, in memory or cached, points to it.
  void release(u64 pa) {
    for (u32 i = 0; i < count_; ++i) {
      if (pa - pages_[i] < page_bytes) used_[i] &= ~(u64{1} << ((pa - pages_[i]) / cd_bytes));
    }
  }
  void destroy(const Platform& platform) {
    while (count_ > 0) platform.table_free(pages_[--count_], page_bytes);
  }

 private:
  std::array<u64, pages_max> pages_{};
  std::array<u64, pages_max> used_{};
  u32 count_ = 0;
};
static_assert(CdSlots::slots == 64, "one bit of a word each");

}  // namespace iommucheck::impl
