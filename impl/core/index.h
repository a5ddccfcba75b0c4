// SPDX-License-Identifier: MIT
// Objects of a pool by a number of theirs, so that one is found at the same cost however many
// others there are. More than one may have the same number.
#pragma once

#include <array>
#include <bit>
#include <span>

#include "base/types.h"
#include "impl/platform/platform.h"
#include "impl/platform/pool.h"

namespace iommucheck::impl {

/// `T::key()` does not change while the object is in the index; `T::next_of_key` is the index's.
template <class T>
class Index {
 public:
  /// One with that key for which `wanted` is true; null: there is none.
  template <class Wanted>
  T* find_if(Pool<T>& pool, u64 key, Wanted wanted) const {
    T* object = pool.find(bucket_of(key));
    while (object != nullptr && (object->key() != key || !wanted(*object))) {
      object = pool.find(object->next_of_key);
    }
    return object;
  }

  void add(const Platform& platform, Pool<T>& pool, T& object) {
    if (++count_ > size_) grow(platform, pool);
    iommucheck_handle& bucket = bucket_of(object.key());
    object.next_of_key = bucket;
    bucket = pool.handle(object);
  }

  void remove(Pool<T>& pool, const T& object) {
    const iommucheck_handle handle = pool.handle(object);
    iommucheck_handle* link = &bucket_of(object.key());
    while (*link != handle) link = &pool.find(*link)->next_of_key;
    *link = object.next_of_key;
    --count_;
  }

  void clear() {
    for (iommucheck_handle& bucket : buckets()) bucket = 0;
    count_ = 0;
  }

 private:
  std::span<iommucheck_handle> buckets() const {
    return {more_ != nullptr ? more_ : first_.data(), size_};
  }
  iommucheck_handle& bucket_of(u64 key) const {
    constexpr u64 golden = 0x9e37'79b9'7f4a'7c15;  // 2^64 by the golden ratio
    return buckets()[(key * golden) >> (64 - std::countr_zero(size_))];
  }

  /// Twice as many buckets; without memory for them those that there are hold more each.
  void grow(const Platform& platform, Pool<T>& pool) {
    auto* larger = platform.arena<iommucheck_handle>(u64{2} * size_);
    if (larger == nullptr) return;
    const std::span<iommucheck_handle> before = buckets();
    more_ = larger;
    size_ *= 2;
    for (iommucheck_handle next : before) {
      while (next != 0) {
        T& object = *pool.find(next);
        next = object.next_of_key;
        iommucheck_handle& bucket = bucket_of(object.key());
        object.next_of_key = bucket;
        bucket = pool.handle(object);
      }
    }
  }

  static constexpr u32 first_size = 16;
  mutable std::array<iommucheck_handle, first_size> first_{};
  iommucheck_handle* more_ = nullptr;  // instead of first_, once there are more
  u32 size_ = first_size;              // a power of two
  u32 count_ = 0;
};

}  // namespace iommucheck::impl
