// SPDX-License-Identifier: MIT
#pragma once

#include <bit>

#include "base/types.h"

namespace iommucheck {

/// A word with bits [hi:lo] set; 0 <= lo <= hi <= 63.
constexpr u64 mask(unsigned hi, unsigned lo) { return (~u64{0} >> (63 - hi)) & (~u64{0} << lo); }

/// Bits [hi:lo] of `word`, moved to bit 0.
constexpr u64 bits(u64 word, unsigned hi, unsigned lo) { return (word & mask(hi, lo)) >> lo; }

constexpr bool bit(u64 word, unsigned n) { return ((word >> n) & 1) != 0; }

/// `word` with bits [hi:lo] replaced by the low bits of `value`.
constexpr u64 with_bits(u64 word, unsigned hi, unsigned lo, u64 value) {
  return (word & ~mask(hi, lo)) | ((value << lo) & mask(hi, lo));
}

/// `value` rounded down to a multiple of 2^lg2; lg2 >= 64 gives 0.
constexpr u64 align_down(u64 value, unsigned lg2) {
  return lg2 >= 64 ? 0 : value & (~u64{0} << lg2);
}

/// 2^lg2, or 0 where that is beyond 64 bits.
constexpr u64 pow2(unsigned lg2) { return lg2 >= 64 ? 0 : u64{1} << lg2; }

}  // namespace iommucheck
