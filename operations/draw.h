// SPDX-License-Identifier: MIT
// Random numbers of mutations: all from one seed.
#pragma once

#include <cstddef>

#include "base/random.h"

namespace iommucheck::fuzz {

class Draw {
 public:
  explicit Draw(u64 seed) : words_(seed) {}
  u64 word() { return words_.next(); }
  /// 0 .. count - 1; count is not 0.
  std::size_t below(std::size_t count) { return static_cast<std::size_t>(words_.below(count)); }

 private:
  SplitMix64 words_;
};

}  // namespace iommucheck::fuzz
