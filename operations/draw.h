// SPDX-License-Identifier: MIT
// Random numbers of mutations: all from one seed.
#pragma once

#include <cstddef>

#include "base/types.h"

namespace iommucheck::fuzz {

/// splitmix64: the same numbers on every machine.
class Draw {
 public:
  explicit Draw(u64 seed) : state_(seed) {}
  u64 word() {
    state_ += 0x9e3779b97f4a7c15;
    u64 z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  /// 0 .. count - 1; count is not 0.
  std::size_t below(std::size_t count) { return static_cast<std::size_t>(word() % count); }

 private:
  u64 state_;
};

}  // namespace iommucheck::fuzz
