// SPDX-License-Identifier: MIT
// 128 bits that two states share only if they are equal, for all that comes after: a schedule that
// comes to a state where another one was before has nothing new to show. (That two that differ do
// so by chance is left out of account.)
#pragma once

#include <compare>

#include "base/types.h"

namespace iommucheck::litmus::twin {

class Fingerprint {
 public:
  void add(u64 value) {
    low_ = mixed(low_ ^ value) + 0x9e3779b97f4a7c15;
    high_ = mixed(high_ + value * 0xd6e8feb86659fd93) ^ low_;
  }
  /// Of one that stands in no order with others.
  void add_unordered(const Fingerprint& one) {
    low_sum_ += mixed(one.low_ ^ 0x5bd1e995);
    high_sum_ += mixed(one.high_ ^ one.low_ * 3);
  }
  /// What was added without an order, up to here.
  void end_unordered() {
    add(low_sum_);
    add(high_sum_);
    low_sum_ = high_sum_ = 0;
  }
  friend auto operator<=>(const Fingerprint&, const Fingerprint&) = default;

 private:
  static constexpr u64 mixed(u64 x) {
    x = (x ^ x >> 32) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 29) * 0x94d049bb133111eb;
    return x ^ x >> 32;
  }
  u64 low_ = 1, high_ = 2;
  u64 low_sum_ = 0, high_sum_ = 0;
};

struct State;

/// What follows from the rest of a state (state.h), or was blamed when it came, is no part of it.
Fingerprint fingerprint_of(const State& state);

}  // namespace iommucheck::litmus::twin
