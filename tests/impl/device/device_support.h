// SPDX-License-Identifier: MIT
// A system around the fast model: memory from 2^32 on, what the model tells, and a guest that
// writes tables, registers and commands by hand.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "impl/device/smmu.h"

namespace iommucheck::device::test {

class World final : public Memory, public Host {
 public:
  static constexpr u64 base = u64{1} << 32;
  explicit World(u64 bytes) : words_(bytes / 8) {}

  // Memory
  bool read(u64 pa, void* to, u64 bytes) noexcept override;
  bool write(u64 pa, const void* from, u64 bytes) noexcept override;
  bool compare_exchange(u64 pa, u64& expected, u64 desired) noexcept override;
  // Host
  void interrupt(Line line) noexcept override { ++interrupts[static_cast<std::size_t>(line)]; }
  void atc_invalidate(const AtcInvalidation& request) noexcept override {
    sent.at(sent_count++ % sent.size()) = request;
  }
  void page_response(const PageResponse& /*response*/) noexcept override { ++responses; }
  void stall_ended(u32 /*sid*/, u16 stag, StallEnd how) noexcept override {
    ended.at(ended_count++ % ended.size()) = {stag, how};
  }

  [[nodiscard]] u64 bytes() const { return 8 * words_.size(); }
  [[nodiscard]] u64 load(u64 pa) const {
    return words_.at((pa - base) / 8).load(std::memory_order_relaxed);
  }
  void store(u64 pa, u64 value) {
    words_.at((pa - base) / 8).store(value, std::memory_order_release);
  }
  /// The same memory, reached without a call.
  [[nodiscard]] Window window() {
    return {base, bytes(), reinterpret_cast<std::byte*>(words_.data())};
  }

  std::atomic<u64> reads{0};  ///< calls, windows not counted
  std::array<u32, 4> interrupts{};
  std::array<AtcInvalidation, 64> sent{};
  std::array<std::pair<u16, StallEnd>, 64> ended{};
  std::size_t sent_count = 0, ended_count = 0;
  u32 responses = 0;

 private:
  static_assert(sizeof(std::atomic<u64>) == 8);
  [[nodiscard]] bool inside(u64 pa, u64 bytes) const {
    return pa - base < this->bytes() && bytes <= this->bytes() - (pa - base);
  }
  std::vector<std::atomic<u64>> words_;
};

/// One stream, 16, with tables of 4 KiB from level 0 on and ASID 1; stage 2 where it is asked for.
/// Memory: structures in the first 64 KiB, tables from there on, pages in the upper half.
class Guest {
 public:
  static constexpr u32 sid = 16;
  static constexpr u64 structures = World::base, cd = structures + 0x2000,
                       commands = structures + 0x3000, events = structures + 0x4000;
  static constexpr unsigned commands_lg2 = 7, events_lg2 = 5;

  struct Options {
    bool stage2 = false;
    bool stalls = false, dirty_state = false;
    bool window = true;
    CacheSizes caches{};
    Features features{};
  };
  explicit Guest(u64 bytes) : Guest(bytes, Options{}) {}
  Guest(u64 bytes, const Options& options);

  /// A page, `attributes` as the descriptor has them; one address space, or the other.
  void map(u64 va, u64 pa, u64 attributes = page_rw);
  void unmap(u64 va);
  void map_block(u64 va, u64 descriptor);  ///< of 2 MiB
  /// Of stage 2: a page that is no identity.
  void map_stage2(u64 ipa, u64 pa, u64 attributes = stage2_rw);
  [[nodiscard]] u64 leaf(u64 va);  ///< where its descriptor is
  [[nodiscard]] u64 root() const { return root_; }
  void command(u64 low, u64 high = 0);
  /// CMD_TLBI_NH_VA, CMD_SYNC.
  void invalidate(u64 va);
  void sync() { command(0x46); }
  /// A page of memory that nobody has.
  u64 page();

  static constexpr u64 page_rw = 0x3 | 1 << 6 | 3 << 8 | 1 << 10 | 1 << 11;  // AP[1], AF, nG

  static constexpr u64 stage2_rw = 0x3 | 0xf << 2 | 3 << 6 | 3 << 8 | 1 << 10;

  World world;
  std::unique_ptr<Smmu> smmu;

 private:
  u64 entry(u64 root, unsigned last, u64 address);

  bool stage2_;
  u64 next_, root_ = 0, root2_ = 0;
  u32 prod_ = 0;
};

}  // namespace iommucheck::device::test
