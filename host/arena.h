// SPDX-License-Identifier: MIT
// The platform's memory of a driver: its private arena, and table memory inside the window.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "base/bits.h"
#include "base/pool.h"
#include "base/types.h"
#include "host/pages.h"

namespace iommucheck::oracle {

/// Zeroed memory that is only given, never taken back, and put back as a whole: what a driver keeps
/// there costs one look a case, and a copy of what it has changed. Not part of the trail, since a
/// driver writes it directly. What nobody was given yet cannot be touched, and neither can what
/// lies around it.
class Arena {
 public:
  explicit Arena(std::size_t bytes) : memory_(bytes, Pages::Kind::own) {
    memory_.allow(0, memory_.bytes(), Pages::Access::none);
  }

  /// Null when it is full, or `align` is no power of two up to 4096.
  void* allocate(u64 bytes, u64 align) {
    if (!std::has_single_bit(align) || align > 4096) return nullptr;
    const u64 start = (used_ + align - 1) & ~(align - 1);
    if (bytes > memory_.bytes() || start > memory_.bytes() - bytes) return nullptr;
    if (start + bytes > open_) {
      memory_.allow(open_, start + bytes, Pages::Access::write);
      open_ = (start + bytes + 4095) & ~u64{4095};
    }
    if (bytes != 0) std::memset(memory_.data() + start, 0, bytes);
    used_ = start + bytes;
    return memory_.data() + start;
  }

  /// Remembers what is there, for restore().
  void snapshot() { snapshot_.assign(memory_.data(), memory_.data() + used_); }
  void restore() { put({.used = snapshot_.size()}); }
  void clear() { used_ = 0; }
  [[nodiscard]] u64 used() const { return used_; }

  /// What was there at some time behind the snapshot, as far as it differs from that.
  struct Contents {
    u64 used = 0;
    std::vector<std::size_t> parts{};  ///< where they begin, ascending
    std::vector<std::byte> bytes{};    ///< of each one behind the other
  };
  /// What is there now, for put().
  [[nodiscard]] Contents contents() const {
    Contents now{.used = used_};
    for (std::size_t at = 0; at < used_; at += part) {
      const std::byte* here = memory_.data() + at;
      const std::size_t size = size_of_part(at);
      if (at + size <= snapshot_.size() && std::memcmp(here, &snapshot_[at], size) == 0) continue;
      now.parts.push_back(at);
      now.bytes.insert(now.bytes.end(), here, here + size);
    }
    return now;
  }
  void put(const Contents& then) {
    used_ = then.used;
    std::size_t next = 0;
    for (std::size_t at = 0; at < used_; at += part) {
      const bool differs = next < then.parts.size() && then.parts[next] == at;
      const std::byte* from = differs ? &then.bytes[part * next++] : &snapshot_[at];
      const std::size_t size = size_of_part(at);
      if (std::memcmp(memory_.data() + at, from, size) == 0) continue;
      std::memcpy(memory_.data() + at, from, size);
    }
  }

 private:
  static constexpr std::size_t part = 512;  ///< bytes: a driver changes few of them in a case
  [[nodiscard]] std::size_t size_of_part(std::size_t at) const {
    return std::min<std::size_t>(part, used_ - at);
  }

  Pages memory_;
  u64 used_ = 0;
  u64 open_ = 0;  // bytes that may be touched
  std::vector<std::byte> snapshot_;
};

/// Physical memory for tables in [base, base + size), in powers of two; what was freed last is
/// given first, so that a page which is freed too early is another's at once. Trailed.
class TableMemory {
 public:
  TableMemory(Trail& trail, u64 base, u64 size)
      : trail_(trail), base_(base), end_(base + size), next_(base), owners_(size >> 12) {}

  /// 0 when there is none. `bytes` is rounded up to a power of two, 4096 at least.
  u64 allocate(u64 bytes) {
    const unsigned order = order_of(bytes);
    if (order >= orders) return 0;
    const u64 size = pow2(order + 12);
    u64 pa = 0;
    if (!free_[order].empty()) {
      pa = free_[order].back();
      free_[order].pop(trail_);
    } else {
      pa = (next_ + size - 1) & ~(size - 1);
      if (size > end_ - base_ || pa > end_ - size) return 0;
      trail_.set(next_, pa + size);
    }
    trail_.set(live_, live_ + 1);
    own(pa, size, inside);
    trail_.set(owners_[page_of(pa)], head + order);
    return pa;
  }

  /// A block, as is_block() says.
  void free(u64 pa, u64 bytes) {
    const unsigned order = order_of(bytes);
    own(pa, pow2(order + 12), nobody);
    free_[order].push(trail_, pa);
    trail_.set(live_, live_ - 1);
  }

  /// Blocks given and not taken back.
  [[nodiscard]] u64 live() const { return live_; }
  /// Whether allocate() gave it, and nobody gave it back yet.
  [[nodiscard]] bool is_block(u64 pa, u64 bytes) const {
    return pa % 4096 == 0 && pa - base_ < end_ - base_ && order_of(bytes) < orders &&
           owners_[page_of(pa)] == head + order_of(bytes);
  }
  /// Whether each byte of it lies in a block. Within one page: as fast as a look.
  [[nodiscard]] bool is_given(u64 pa, u64 bytes) const {
    if (pa - base_ >= end_ - base_ || bytes > end_ - pa) return false;
    const u64 last = page_of(pa + (bytes == 0 ? 0 : bytes - 1));
    for (u64 page = page_of(pa); page <= last; ++page) {
      if (owners_[page] == nobody) return false;
    }
    return true;
  }
  /// End of what was ever given in this case.
  [[nodiscard]] u64 top() const { return next_; }
  [[nodiscard]] u64 base() const { return base_; }

 private:
  static constexpr unsigned orders = 16;
  static constexpr u64 nobody = 0, inside = 1, head = 2;  // owners; head + order at its first page
  static unsigned order_of(u64 bytes) {
    unsigned order = 0;
    while (order < orders && pow2(order + 12) < bytes) ++order;
    return order;
  }
  [[nodiscard]] u64 page_of(u64 pa) const { return (pa - base_) >> 12; }
  void own(u64 pa, u64 size, u64 owner) {
    for (u64 page = page_of(pa); page < page_of(pa) + (size >> 12); ++page) {
      trail_.set(owners_[page], owner);
    }
  }

  Trail& trail_;
  u64 base_;
  u64 end_;
  u64 next_;
  u64 live_ = 0;
  std::vector<u64> owners_;  // of each page
  TrailArray<u64> free_[orders];
};

}  // namespace iommucheck::oracle
