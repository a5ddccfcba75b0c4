// SPDX-License-Identifier: MIT
// The platform's memory of a driver: its private arena, and table memory inside the window.
#pragma once

#include <cstring>
#include <memory>
#include <vector>

#include "base/bits.h"
#include "base/pool.h"
#include "base/types.h"

namespace iommucheck::oracle {

/// Zeroed memory that is only given, never taken back, and put back as a whole: what a driver keeps
/// there costs one copy a case. Not part of the trail, since a driver writes it directly.
class Arena {
 public:
  explicit Arena(std::size_t bytes) : memory_(std::make_unique<std::byte[]>(bytes)), size_(bytes) {}

  /// Null when it is full. `align` is a power of two up to 4096.
  void* allocate(u64 bytes, u64 align) {
    const auto base = reinterpret_cast<std::uintptr_t>(memory_.get());
    const u64 start = ((base + used_ + align - 1) & ~(align - 1)) - base;
    if (bytes > size_ || start > size_ - bytes) return nullptr;
    std::memset(memory_.get() + start, 0, bytes);
    used_ = start + bytes;
    return memory_.get() + start;
  }

  /// Remembers what is there, for restore().
  void snapshot() { snapshot_.assign(memory_.get(), memory_.get() + used_); }
  void restore() {
    used_ = snapshot_.size();
    if (used_ != 0) std::memcpy(memory_.get(), snapshot_.data(), used_);
  }
  void clear() { used_ = 0; }
  [[nodiscard]] u64 used() const { return used_; }

 private:
  std::unique_ptr<std::byte[]> memory_;
  u64 size_;
  u64 used_ = 0;
  std::vector<std::byte> snapshot_;
};

/// Physical memory for tables in [base, base + size), in powers of two; what was freed last is
/// given first, so that a page which is freed too early is another's at once. Trailed.
class TableMemory {
 public:
  TableMemory(Trail& trail, u64 base, u64 size) : trail_(trail), base_(base), end_(base + size) {
    next_ = base;
  }

  /// 0 when there is none. `bytes` is rounded up to a power of two, 4096 at least.
  u64 allocate(u64 bytes) {
    const unsigned order = order_of(bytes);
    if (order >= orders) return 0;
    trail_.set(live_, live_ + 1);
    if (!free_[order].empty()) {
      const u64 pa = free_[order].back();
      free_[order].pop(trail_);
      return pa;
    }
    const u64 size = pow2(order + 12);
    const u64 pa = (next_ + size - 1) & ~(size - 1);
    if (size > end_ - base_ || pa > end_ - size) {
      trail_.set(live_, live_ - 1);
      return 0;
    }
    trail_.set(next_, pa + size);
    return pa;
  }

  /// `pa` and `bytes` as allocated.
  void free(u64 pa, u64 bytes) {
    free_[order_of(bytes)].push(trail_, pa);
    trail_.set(live_, live_ - 1);
  }

  /// Blocks given and not taken back.
  [[nodiscard]] u64 live() const { return live_; }
  [[nodiscard]] bool contains(u64 pa, u64 bytes) const {
    return pa >= base_ && pa < end_ && bytes <= end_ - pa && order_of(bytes) < orders;
  }

 private:
  static constexpr unsigned orders = 16;
  static unsigned order_of(u64 bytes) {
    unsigned order = 0;
    while (order < orders && pow2(order + 12) < bytes) ++order;
    return order;
  }

  Trail& trail_;
  u64 base_;
  u64 end_;
  u64 next_;
  u64 live_ = 0;
  TrailArray<u64> free_[orders];
};

}  // namespace iommucheck::oracle
