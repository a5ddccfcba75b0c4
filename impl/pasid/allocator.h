// SPDX-License-Identifier: MIT
// All PASIDs of the driver: one space of 2^20 numbers for all devices and domains. INTERFACE "PASID
// numbers": a number that was freed is not given while one of the range was never given, or was
// freed earlier.
//
// So there are three sets: numbers in use, with their state in blocks of 512 that are used again;
// numbers that were freed, a queue of runs in the order of freeing; and numbers never given, what a
// bitmap of two levels leaves. Memory follows use in all of them, and an arena that is put back
// with each case stays small.
#pragma once

#include <array>

#include "base/types.h"
#include "impl/pasid/state.h"
#include "impl/platform/platform.h"

namespace iommucheck::impl {

class PasidAllocator {
 public:
  static constexpr unsigned bits_max = 20;
  static constexpr u32 last = (1u << bits_max) - 1;

  /// 0 is a number like any other. Before anything is allocated.
  void give_zero() { keeps_zero_ = false; }

  /// A number of [min, max] (min <= max <= last; 0 only after give_zero()): the first never given
  /// from the one last given + 1 upwards, then from min; if there is none, the one that has been
  /// free for longest. ENOSPC, ENOMEM (the arena is full).
  int allocate(const Platform& platform, u32 min, u32 max, u64 kind, u32* pasid);

  /// 0: free.
  u64 state(u32 pasid) const;

  /// Makes a step of pasid/state.h; false, and nothing changed, if it is not allowed.
  template <class Transition>
  bool apply(u32 pasid, Transition transition) {
    Block* block = block_of(pasid);
    if (block == nullptr) return false;
    u64& state = block->state[pasid % block_size];
    const pasid::Step<u64> step = transition(state);
    if (!step.ok) return false;
    state = step.state;
    if (state == 0) mark_free(pasid);
    return true;
  }

  /// Whatever is left of it.
  void forget(u32 pasid) {
    Block* block = block_of(pasid);
    if (block == nullptr || block->state[pasid % block_size] == 0) return;
    block->state[pasid % block_size] = 0;
    mark_free(pasid);
  }

  /// How many are not free.
  u32 held() const { return held_; }

 private:
  static constexpr u32 block_size = 512;
  static constexpr u32 group_size = 64;  // blocks
  static constexpr u32 group_span = block_size * group_size;
  static constexpr u32 groups = (last + 1) / group_span;

  /// Numbers in use.
  struct Block {
    std::array<u64, block_size> state{};
    u32 count = 0;
    Block* next = nullptr;  // of the spare ones, which are all zero
  };
  struct Group {
    std::array<u64, group_span / 64> given{};  // one bit a number: never free of a former holder
    std::array<u64, group_span / 64 / 64> full{};  // one bit a word of that
    std::array<Block*, group_size> blocks{};
  };
  /// Numbers freed one after the other, each the next of the one before.
  struct Run {
    u32 first = 0;
    u32 last = 0;
    Run* next = nullptr;
    Run* before = nullptr;
  };

  Block* block_of(u32 pasid) const {
    const Group* group = groups_[pasid / group_span];
    return group == nullptr ? nullptr : group->blocks[pasid / block_size % group_size];
  }
  bool reserve(const Platform& platform, u32 pasid);
  bool find_new(u32 from, u32 to, u32* found) const;
  Run* find_freed(u32 min, u32 max) const;
  void take_from(Run& run, u32 pasid);
  void drop(Run& run);
  void mark_given(u32 pasid);
  void mark_free(u32 pasid);

  std::array<Group*, groups> groups_{};
  u64 full_groups_ = 0;  // one bit a group: every number was given
  Block* spare_blocks_ = nullptr;
  Run* oldest_ = nullptr;
  Run* newest_ = nullptr;
  Run* spare_runs_ = nullptr;
  u32 spare_run_count_ = 0;  // one for each number in use at least: freeing never fails
  u32 held_ = 0;
  u32 cursor_ = last;  // the number last given
  bool keeps_zero_ = true;
};

}  // namespace iommucheck::impl
