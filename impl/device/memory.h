// SPDX-License-Identifier: MIT
// Physical memory as the model reaches it: by windows of host memory where it may, without a call,
// and by the embedder's functions elsewhere. Words of 64 bits that are aligned are read and written
// at once.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <optional>
#include <span>

#include "base/types.h"

namespace iommucheck::device {

/// What the embedder gives. From any thread that accesses or commands; none throws. False: an
/// external abort, nothing was done.
class Memory {
 public:
  virtual ~Memory() = default;
  virtual bool read(u64 pa, void* to, u64 bytes) noexcept = 0;
  virtual bool write(u64 pa, const void* from, u64 bytes) noexcept = 0;
  /// Writes the word at `pa`, a multiple of 8, if it is `expected`, at once for all observers. What
  /// was there is in `expected` afterwards.
  virtual bool compare_exchange(u64 pa, u64& expected, u64 desired) noexcept = 0;
};

/// Host memory that is that physical memory. It stays where it is as long as the Smmu lives; `host`
/// and `pa` are multiples of 8.
struct Window {
  u64 pa = 0, bytes = 0;
  std::byte* host = nullptr;
};

/// Both together.
class Bus {
 public:
  static constexpr std::size_t windows_most = 8;
  Bus(Memory& memory, std::span<const Window> windows) : memory_(memory) {
    for (const Window& one : windows) {
      if (count_ < windows_most) windows_[count_++] = one;
    }
  }

  [[nodiscard]] std::optional<u64> word(u64 pa) const noexcept {
    if (std::byte* at = host(pa, 8)) {
      return std::atomic_ref<u64>(*reinterpret_cast<u64*>(at)).load(std::memory_order_acquire);
    }
    u64 value = 0;
    if (!memory_.read(pa, &value, 8)) return std::nullopt;
    return value;
  }
  /// Aligned words, each at once.
  bool words(u64 pa, std::span<u64> to) const noexcept {
    if (host(pa, 8 * to.size()) == nullptr) return memory_.read(pa, to.data(), 8 * to.size());
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = *word(pa + 8 * i);
    return true;
  }
  bool write(u64 pa, const void* from, u64 bytes) const noexcept {
    return memory_.write(pa, from, bytes);
  }
  bool compare_exchange(u64 pa, u64& expected, u64 desired) const noexcept {
    if (std::byte* at = host(pa, 8)) {
      std::atomic_ref<u64>(*reinterpret_cast<u64*>(at)).compare_exchange_strong(expected, desired);
      return true;
    }
    return memory_.compare_exchange(pa, expected, desired);
  }

 private:
  [[nodiscard]] std::byte* host(u64 pa, u64 bytes) const noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
      const Window& one = windows_[i];
      if (pa - one.pa < one.bytes && bytes <= one.bytes - (pa - one.pa) && pa % 8 == 0) {
        return one.host + (pa - one.pa);
      }
    }
    return nullptr;
  }
  Memory& memory_;
  std::array<Window, windows_most> windows_{};
  std::size_t count_ = 0;
};

}  // namespace iommucheck::device
