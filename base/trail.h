// SPDX-License-Identifier: MIT
// One trail through which every change of a state goes: `undo_to` costs what changed, not what
// exists. A record is the old bytes of a place; places must not move while a mark is held, so
// containers that use a trail keep stable addresses (base/pool.h).
#pragma once

#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>

#include "base/types.h"

namespace iommucheck {

class Trail {
 public:
  using Mark = std::size_t;

  Trail() { grow(capacity_first); }

  [[nodiscard]] Mark mark() const { return size_; }

  /// Remembers `words` 64-bit words at `place` before they change.
  void save(u64* place, u32 words = 1) {
    u64* old = record(place, words);
    std::memcpy(old, place, words * sizeof(u64));
  }

  /// Remembers an object whose size is a multiple of 8 bytes.
  template <class T>
  void save_object(T& object) {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) % 8 == 0 && alignof(T) == 8);
    u64* old = record(reinterpret_cast<u64*>(&object), static_cast<u32>(sizeof(T) / 8));
    std::memcpy(old, &object, sizeof(T));
  }

  void set(u64& place, u64 value) {
    *record(&place, 1) = place;
    place = value;
  }

  /// Number of undo_to() calls: what was derived from a state before is stale after one.
  [[nodiscard]] u64 generation() const { return generation_; }

  void undo_to(Mark mark) {
    ++generation_;
    while (size_ > mark) {
      const u64* top = log_.get() + size_;
      const std::size_t words = top[-1];
      auto* place = reinterpret_cast<u64*>(static_cast<std::uintptr_t>(top[-2]));
      if (words == 1) {  // nearly all
        *place = top[-3];
      } else {
        std::memcpy(place, top - 2 - words, words * sizeof(u64));
      }
      size_ -= words + 2;
    }
  }

  /// Nothing that was remembered can be undone any more; the state stays as it is, its marks are
  /// void, and the memory is given back.
  void forget() {
    ++generation_;
    size_ = capacity_ = 0;
    log_.reset();
    grow(capacity_first);
  }

 private:
  static constexpr std::size_t capacity_first = std::size_t{1} << 14;

  /// A record of so many words, all but what they hold: where that is to be written.
  u64* record(u64* place, u32 words) {
    const std::size_t size = size_ + words + 2;
    if (size > capacity_) grow(size);
    u64* old = log_.get() + std::exchange(size_, size);
    old[words] = reinterpret_cast<std::uintptr_t>(place);
    old[words + 1] = words;
    return old;
  }

  void grow(std::size_t needed) {
    std::size_t capacity = capacity_ == 0 ? needed : capacity_;
    while (capacity < needed) capacity *= 2;
    auto log = std::make_unique_for_overwrite<u64[]>(capacity);
    if (size_ != 0) std::memcpy(log.get(), log_.get(), size_ * sizeof(u64));
    log_ = std::move(log);
    capacity_ = capacity;
  }

  std::unique_ptr<u64[]> log_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
  u64 generation_ = 0;
};

}  // namespace iommucheck
