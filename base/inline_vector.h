// SPDX-License-Identifier: MIT
// A growing list whose first `inline_count` elements need no allocation: for lists that nearly
// always hold one or two. Elements are plain data, and move when the list grows.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <type_traits>

namespace iommucheck {

template <class T, std::size_t inline_count>
class InlineVector {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

 public:
  using value_type = T;
  using iterator = T*;
  using const_iterator = const T*;

  InlineVector() = default;
  InlineVector(const InlineVector& other) { take(other); }
  InlineVector& operator=(const InlineVector& other) {
    if (this != &other) {
      clear();
      take(other);
    }
    return *this;
  }
  ~InlineVector() = default;

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] T* begin() { return data(); }
  [[nodiscard]] T* end() { return data() + size_; }
  [[nodiscard]] const T* begin() const { return data(); }
  [[nodiscard]] const T* end() const { return data() + size_; }
  T& operator[](std::size_t i) { return data()[i]; }
  const T& operator[](std::size_t i) const { return data()[i]; }
  T& back() { return data()[size_ - 1]; }
  const T& back() const { return data()[size_ - 1]; }

  void clear() { size_ = 0; }
  void push_back(const T& value) {
    const T copy = value;  // it may be an element
    if (size_ == capacity_) grow();
    std::memcpy(static_cast<void*>(data() + size_), &copy, sizeof(T));
    ++size_;
  }

 private:
  T* data() { return heap_ ? reinterpret_cast<T*>(heap_.get()) : reinterpret_cast<T*>(inline_); }
  const T* data() const {
    return heap_ ? reinterpret_cast<const T*>(heap_.get()) : reinterpret_cast<const T*>(inline_);
  }
  void grow() { reserve(2 * capacity_); }
  void reserve(std::size_t capacity) {
    static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
    auto larger = std::make_unique_for_overwrite<std::byte[]>(capacity * sizeof(T));
    if (size_ != 0) std::memcpy(larger.get(), data(), size_ * sizeof(T));
    heap_ = std::move(larger);
    capacity_ = capacity;
  }
  void take(const InlineVector& other) {
    if (other.size_ > capacity_) reserve(other.size_);
    if (other.size_ != 0) {
      std::memcpy(static_cast<void*>(data()), other.data(), other.size_ * sizeof(T));
    }
    size_ = other.size_;
  }

  std::size_t size_ = 0;
  std::size_t capacity_ = inline_count;
  std::unique_ptr<std::byte[]> heap_;
  alignas(T) std::byte inline_[inline_count * sizeof(T)];
};

}  // namespace iommucheck
