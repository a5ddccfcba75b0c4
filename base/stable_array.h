// SPDX-License-Identifier: MIT
// A growing array whose elements never move, and that is asked far more often than it grows: one
// load more than a vector, where a std::deque divides by the size of an element.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace iommucheck {

template <class T>
class StableArray {
 public:
  [[nodiscard]] std::size_t size() const { return elements_.size(); }
  T& operator[](std::size_t i) { return *elements_[i]; }
  const T& operator[](std::size_t i) const { return *elements_[i]; }
  T& back() { return *elements_.back(); }
  T& emplace_back() { return *elements_.emplace_back(std::make_unique<T>()); }

 private:
  std::vector<std::unique_ptr<T>> elements_;
};

}  // namespace iommucheck
