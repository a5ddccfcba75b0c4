// SPDX-License-Identifier: MIT
// Draws of those who write random tests.
#pragma once

#include <initializer_list>
#include <string>

#include "base/random.h"

namespace iommucheck::litmus {

class Dice {
 public:
  explicit Dice(u64 seed) : words_(seed) {}
  u64 below(u64 n) { return words_.below(n); }
  bool one_in(u64 n) { return below(n) == 0; }
  std::string of(std::initializer_list<const char*> choices) {
    return *(choices.begin() + below(choices.size()));
  }

 private:
  SplitMix64 words_;
};

}  // namespace iommucheck::litmus
