// SPDX-License-Identifier: MIT
// Random numbers that are the same on every machine and with every library: all from one seed.
#pragma once

#include "base/types.h"

namespace iommucheck {

/// Steele, Lea, Flood: "Fast splittable pseudorandom number generators".
class SplitMix64 {
 public:
  explicit SplitMix64(u64 state) : state_(state) {}
  u64 next() { return mixed(state_ += 0x9e3779b97f4a7c15); }
  /// 0 .. count - 1; count is not 0.
  u64 below(u64 count) { return next() % count; }

  /// Neighbouring numbers have nothing in common.
  static constexpr u64 mixed(u64 z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

 private:
  u64 state_;
};

}  // namespace iommucheck
