// SPDX-License-Identifier: MIT
// What the driver needs of the world, in C++: a thin, inline face over the C door
// (include/iommucheck/driver.h). The driver touches memory and registers through this class only.
#pragma once

#include <algorithm>
#include <cstring>
#include <new>
#include <type_traits>

#include "base/types.h"
#include "include/iommucheck/driver.h"

namespace iommucheck::impl {

class Platform {
 public:
  /// What a platform built before this driver does not have is absent (driver.h).
  explicit Platform(const iommucheck_platform& platform) {
    std::memcpy(&platform_, &platform, std::min<std::size_t>(platform.size, sizeof platform_));
  }

  /// Whether the SMMU's fetches see CPU caches (IDR0.COHACC). Until it is set, every published
  /// store is cleaned, which is right in both cases.
  void set_coherent(bool coherent) { coherent_ = coherent; }

  /// Memory that the SMMU reads; 0 if there is none. `bytes`: a power of two >= 4096. Its content
  /// is unknown until stored.
  u64 table_alloc(u64 bytes) const {
    u64 pa = 0;
    return platform_.table_alloc(platform_.ctx, bytes, &pa) == nullptr ? 0 : pa;
  }
  void table_free(u64 pa, u64 bytes) const { platform_.table_free(platform_.ctx, pa, bytes); }

  /// The CPU's view of table memory at `pa`.
  const u64* words(u64 pa) const {
    return reinterpret_cast<const u64*>(static_cast<const char*>(platform_.window) +
                                        (pa - platform_.window_pa));
  }

  /// `count` objects of driver state, value-initialised; null when the arena is full.
  template <class T>
  T* arena(u64 count) const {
    static_assert(std::is_trivially_destructible_v<T>, "nothing in the arena is ever destroyed");
    void* memory = platform_.arena_alloc(platform_.ctx, count * sizeof(T), alignof(T));
    if (memory == nullptr) return nullptr;
    T* first = static_cast<T*>(memory);
    for (u64 i = 0; i < count; ++i) new (first + i) T();
    return first;
  }

  void store64(u64 pa, u64 value) const { platform_.store64(platform_.ctx, pa, value); }
  void fill64(u64 pa, u64 count, u64 value) const {
    platform_.fill64(platform_.ctx, pa, count, value);
  }
  u64 load64(u64 pa) const { return platform_.load64(platform_.ctx, pa); }
  bool has_atomics() const { return platform_.atomic != nullptr; }
  /// What was there: `desired` is, if that was `expected`.
  u64 compare_exchange(u64 pa, u64 expected, u64 desired) const {
    return platform_.atomic(platform_.ctx, IOMMUCHECK_ATOMIC_COMPARE_EXCHANGE, pa, sizeof desired,
                            desired, expected, IOMMUCHECK_ORDERED, 0);
  }
  /// change(word) in the place of the word at `pa`, by one atomic step. Hardware marks a word once
  /// meanwhile, and a second time never. Returns the word as it was before.
  template <class Change>
  u64 change64(u64 pa, Change change) const {
    constexpr unsigned tries = 4;
    u64 word = load64(pa);
    for (unsigned i = 0; i < tries; ++i) {
      const u64 next = change(word);
      if (next == word) break;
      const u64 seen = compare_exchange(pa, word, next);
      if (seen == word) break;
      word = seen;
    }
    return word;
  }

  /// Stores become visible to the SMMU in the order of the calls of this function, and loads come
  /// after register reads before it.
  void barrier() const { platform_.barrier(platform_.ctx, IOMMUCHECK_DMA_MB); }

  /// To be called between storing to [pa, pa + bytes) and the barrier: cleans CPU caches for an
  /// SMMU that does not look into them (SEMANTICS 1).
  void clean(u64 pa, u64 bytes) const {
    if (!coherent_) platform_.dma_clean(platform_.ctx, pa, bytes);
  }
  /// Before reading what the SMMU wrote, and before it writes where the CPU may have: a dirty line
  /// would come over it.
  void invalidate(u64 pa, u64 bytes) const {
    if (coherent_) return;
    platform_.dma_invalidate(platform_.ctx, pa, bytes);
    barrier();
  }

  /// A register write that earlier stores, and their cleaning, are visible before.
  void write32(u64 offset, u32 value) const {
    if (!coherent_) barrier();
    platform_.mmio_write32(platform_.ctx, offset, value, IOMMUCHECK_MMIO_ORDERED);
  }
  void write64(u64 offset, u64 value) const {
    if (!coherent_) barrier();
    platform_.mmio_write64(platform_.ctx, offset, value, IOMMUCHECK_MMIO_ORDERED);
  }
  u32 read32(u64 offset) const { return platform_.mmio_read32(platform_.ctx, offset); }
  u64 read64(u64 offset) const { return platform_.mmio_read64(platform_.ctx, offset); }

  /// False when the time is up.
  bool wait(u32 token) const {
    constexpr u64 one_second_us = 1'000'000;
    return platform_.wait(platform_.ctx, token, one_second_us) == 0;
  }

  /// Waits for another call or a handler; false when the time is up. Other calls run meanwhile.
  bool wait_for_caller() const { return wait(IOMMUCHECK_WAIT_CALLER); }

  /// Begins a handler; 0 if the platform has none.
  u64 mm_exit(u32 device, u32 pasid, u64 drvdata) const {
    if (platform_.mm_exit == nullptr) return 0;
    return platform_.mm_exit(platform_.ctx, device, pasid, drvdata);
  }
  int handle_fault(u32 device, u32 pasid, u64 iova, u32 prot) const {
    if (platform_.handle_fault == nullptr) return IOMMUCHECK_FAULT_INVALID;
    return platform_.handle_fault(platform_.ctx, device, pasid, iova, prot);
  }
  void fault_handler(u32 device, u32 pasid, u64 iova, u32 prot, u32 group, u64 word) const {
    if (platform_.fault_handler == nullptr) return;
    platform_.fault_handler(platform_.ctx, device, pasid, iova, prot, group, word);
  }
  /// 0: an ordinary caller; else the handler that mm_exit gave this number to.
  u64 context() const {
    return platform_.context == nullptr ? 0 : platform_.context(platform_.ctx);
  }
  /// 0: the process is dead or dying.
  u32 mm_pin(iommucheck_handle mm) const {
    return platform_.mm_pin == nullptr ? 0 : platform_.mm_pin(platform_.ctx, mm);
  }
  void mm_unpin(iommucheck_handle mm) const { platform_.mm_unpin(platform_.ctx, mm); }

  /// What a hook of the backend (IOMMUCHECK_HOOK_*) is to answer: 0 to go on, IOMMUCHECK_HOOK_NULL
  /// or a negative errno. Those that answer nothing tell only.
  int hook(u32 which, u64 io_mm, u32 device) const {
    return platform_.hook == nullptr ? 0 : platform_.hook(platform_.ctx, which, io_mm, device);
  }

  void log(int level, const char* text) const {
    if (platform_.log != nullptr) platform_.log(platform_.ctx, level, text);
  }

 private:
  iommucheck_platform platform_{};
  bool coherent_ = false;
};

}  // namespace iommucheck::impl
