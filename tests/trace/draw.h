// SPDX-License-Identifier: MIT
// Numbers from a seed, the same everywhere, for property tests that make structured data.
#pragma once

#include "base/types.h"

namespace iommucheck::trace {

/// splitmix64: the same numbers everywhere.
class Draw {
 public:
  explicit Draw(u64 seed) : state_(seed) {}
  u64 next() {
    u64 z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  u64 below(u64 bound) { return next() % bound; }
  /// Often small, often at an edge of 8, 16, 32 or 64 bits.
  u64 word() {
    const u64 value = next() >> (8 * below(8));
    return below(4) == 0 ? (u64{1} << below(64)) - below(2) : value;
  }

 private:
  u64 state_;
};

}  // namespace iommucheck::trace
