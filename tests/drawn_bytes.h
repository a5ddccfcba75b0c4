// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include "base/random.h"
#include "base/types.h"

namespace iommucheck::test {

/// Some hundred bytes, as a fuzzer would hand them over: the same of one seed.
inline std::vector<u8> drawn_bytes(u64 seed) {
  SplitMix64 words(seed);
  std::vector<u8> bytes(64 + words.below(512));
  for (u8& byte : bytes) byte = static_cast<u8>(words.next() >> 32);
  return bytes;
}

}  // namespace iommucheck::test
