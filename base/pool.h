// SPDX-License-Identifier: MIT
// Containers whose every change goes through a trail. Elements never move.
#pragma once

#include <cassert>
#include <memory>
#include <vector>

#include "base/trail.h"

namespace iommucheck {

/// A growing array with stable addresses. `T` is trivially copyable and a multiple of 8 bytes.
/// Elements that are changed in place are saved by the caller (`edit`).
template <class T>
class TrailArray {
 public:
  [[nodiscard]] u32 size() const { return static_cast<u32>(size_); }
  [[nodiscard]] bool empty() const { return size_ == 0; }

  T& operator[](u32 i) { return chunks_[i >> chunk_lg2][i & chunk_mask]; }
  const T& operator[](u32 i) const { return chunks_[i >> chunk_lg2][i & chunk_mask]; }
  T& back() { return (*this)[size() - 1]; }

  /// The element, saved: the caller may change it.
  T& edit(Trail& trail, u32 i) {
    T& element = (*this)[i];
    trail.save_object(element);
    return element;
  }

  u32 push(Trail& trail, const T& value) {
    const u32 i = size();
    if ((i >> chunk_lg2) == chunks_.size()) {
      chunks_.push_back(std::make_unique<T[]>(std::size_t{1} << chunk_lg2));
    }
    edit(trail, i) = value;
    trail.set(size_, size_ + 1);
    return i;
  }

  void pop(Trail& trail) { trail.set(size_, size_ - 1); }
  void clear(Trail& trail) {
    if (size_ != 0) trail.set(size_, 0);
  }

  /// Removes element `i` by moving the last one into its place.
  void remove_unordered(Trail& trail, u32 i) {
    if (i + 1 != size()) edit(trail, i) = back();
    pop(trail);
  }

 private:
  static constexpr unsigned chunk_lg2 = 8;
  static constexpr u32 chunk_mask = (1U << chunk_lg2) - 1;
  std::vector<std::unique_ptr<T[]>> chunks_;
  u64 size_ = 0;
};

/// Nodes with stable indices, 0 meaning none; freed nodes are used again, last freed first.
/// `T` has a member `u32 next`.
template <class T>
class TrailPool {
 public:
  T& operator[](u32 i) { return nodes_[i]; }
  const T& operator[](u32 i) const { return nodes_[i]; }
  T& edit(Trail& trail, u32 i) { return nodes_.edit(trail, i); }

  u32 allocate(Trail& trail, const T& value) {
    if (free_ != 0) {
      const u32 i = static_cast<u32>(free_);
      trail.set(free_, nodes_[i].next);
      nodes_.edit(trail, i) = value;
      return i;
    }
    if (nodes_.empty()) nodes_.push(trail, T{});
    return nodes_.push(trail, value);
  }

  void release(Trail& trail, u32 i) {
    nodes_.edit(trail, i).next = static_cast<u32>(free_);
    trail.set(free_, i);
  }

  /// Nodes that were given and taken back.
  [[nodiscard]] u32 released() const {
    u32 count = 0;
    for (u64 i = free_; i != 0 && count < bound(); i = nodes_[static_cast<u32>(i)].next) ++count;
    return count;
  }
  /// Upper bound of all indices ever given.
  [[nodiscard]] u32 bound() const { return nodes_.size(); }

 private:
  TrailArray<T> nodes_;
  u64 free_ = 0;
};

}  // namespace iommucheck
