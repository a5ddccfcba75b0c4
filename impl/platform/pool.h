// SPDX-License-Identifier: MIT
// Objects of the arena that are named by handles.
#pragma once

#include <array>
#include <bit>

#include "base/types.h"
#include "impl/platform/platform.h"

namespace iommucheck::impl {

/// Slot number + 1 in the low half of a handle, generation above, so that a handle of an object
/// that was freed names nothing. T has `bool used`, `u32 index` and `u32 generation`. Objects do
/// not move; their memory is used again and never given back.
template <class T>
class Pool {
 public:
  static constexpr u32 first_chunk = 8;  // each chunk is twice the one before
  static constexpr u32 chunks_max = 20;

  /// Null when the arena is full.
  T* allocate(const Platform& platform) {
    if (free_ != none) {
      const u32 index = free_;
      free_ = slot(index).index;
      return take(index);
    }
    if (fresh_ < size_) return take(fresh_++);
    const u32 chunk = chunk_of(size_);
    if (chunk == chunks_max) return nullptr;
    chunks_[chunk] = platform.arena<T>(first_chunk << chunk);
    if (chunks_[chunk] == nullptr) return nullptr;
    size_ += first_chunk << chunk;
    return take(fresh_++);
  }

  void release(T& object) {
    object.used = false;
    const u32 index = object.index;
    object.index = free_;
    free_ = index;
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
  const T* find(iommucheck_handle handle) const { return const_cast<Pool*>(this)->find(handle); }

  /// `visit` may release the object that it is given, and others.
  template <class Visit>
  void for_each_used(Visit visit) {
    for (u32 i = 0; i < fresh_; ++i) {
      if (slot(i).used) visit(slot(i));
    }
  }

  /// The first one for which `wanted` is true; null if there is none.
  template <class Wanted>
  T* find_if(Wanted wanted) {
    for (u32 i = 0; i < fresh_; ++i) {
      if (slot(i).used && wanted(slot(i))) return &slot(i);
    }
    return nullptr;
  }

 private:
  static u32 chunk_of(u32 index) {
    return static_cast<u32>(std::bit_width(index / first_chunk + 1)) - 1;
  }
  T& slot(u32 index) {
    const u32 chunk = chunk_of(index);
    return chunks_[chunk][index - first_chunk * ((1u << chunk) - 1)];
  }
  T* take(u32 index) {
    T& object = slot(index);
    const u32 generation = object.generation + 1;
    object = T();
    object.generation = generation;
    object.index = index;
    object.used = true;
    return &object;
  }

  static constexpr u32 none = ~u32{0};
  std::array<T*, chunks_max> chunks_{};
  u32 size_ = 0;
  u32 fresh_ = 0;    // no slot from it on was ever taken
  u32 free_ = none;  // the slot that was released last; its `index` is the one before
};

}  // namespace iommucheck::impl
