// SPDX-License-Identifier: MIT
// A map from numbers that is asked far more often than it grows: open addressing, nothing is
// allocated for an entry, and none is taken out alone.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <vector>

#include "base/types.h"

namespace iommucheck {

template <class Value>
class NumberMap {
 public:
  /// Null: `key` is not there.
  [[nodiscard]] const Value* find(u64 key) const {
    if (count_ == 0) return nullptr;
    const Slot& slot = slots_[slot_of(key)];
    return slot.taken ? &slot.value : nullptr;
  }
  [[nodiscard]] bool contains(u64 key) const { return find(key) != nullptr; }

  /// The value of `key`; one that is new is Value{}. Others move.
  Value& operator[](u64 key) {
    if (2 * (count_ + 1) > slots_.size()) grow();
    Slot& slot = slots_[slot_of(key)];
    if (!slot.taken) {
      slot = {.key = key, .value = Value{}, .taken = true};
      ++count_;
    }
    return slot.value;
  }

  [[nodiscard]] std::size_t size() const { return count_; }

  /// The memory is kept; what is looked at from here on is in proportion to what there was.
  void clear() {
    if (count_ == 0) return;
    slots_.assign(std::min(slots_.size(), std::bit_ceil(4 * count_)), Slot{});
    count_ = 0;
  }

 private:
  struct Slot {
    u64 key = 0;
    Value value{};
    bool taken = false;
  };

  /// Where `key` is, or the free slot where it would be: half of them are free.
  [[nodiscard]] std::size_t slot_of(u64 key) const {
    constexpr u64 odd = 0x9e37'79b9'7f4a'7c15;  // 2^64 by the golden ratio: neighbours far apart
    const std::size_t mask = slots_.size() - 1;
    std::size_t i = static_cast<std::size_t>((key * odd) >> 32) & mask;
    while (slots_[i].taken && slots_[i].key != key) i = (i + 1) & mask;
    return i;
  }

  void grow() {
    std::vector<Slot> old(slots_.empty() ? 64 : 2 * slots_.size());
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.taken) slots_[slot_of(slot.key)] = slot;
    }
  }

  std::vector<Slot> slots_;  // a power of two
  std::size_t count_ = 0;
};

}  // namespace iommucheck
