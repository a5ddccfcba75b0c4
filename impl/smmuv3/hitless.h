// SPDX-License-Identifier: MIT
// From one structure in memory to another, an STE or a CD, while the SMMU may read any mixture of
// the words that are stored between two CMD_SYNCs, and may have cached each of them by itself.
// IHI 0070 3.21.3.
//
// Words that the old one does not use come first; then the one word that differs in what both use;
// then what only the new one allows. So every mixture is the old or the new one for each access.
// Where two words differ in what both use there is no such way, and it leads through a structure
// that aborts: an empty one, or one that does so by itself. No way is shorter:
// tests/explain/ste_writer_test.cpp and cd_writer_test.cpp try all.
#pragma once

#include <array>

#include "base/types.h"

namespace iommucheck::impl::hitless {

/// All that changes.
using Words = std::array<u64, 4>;

inline constexpr unsigned word0_alone = 1;  // of words, as bits

/// Stores of some words, with an invalidation and CMD_SYNC behind them.
struct Step {
  unsigned stored = 0;  ///< which words, as bits; 0: it says so already
  Words words{};
  bool last = true;
};

/// Of word 1 what is right beside all other words of the old one, and of the new one.
struct Free {
  u64 first = 0;  ///< may be new while the rest is old
  u64 late = 0;   ///< may be old while the rest is new
};

/// What one says.
struct Structure {
  u64 aborts = 0;                          ///< word 0 of one that aborts, beside any other words
  Words (*used_bits)(const Words& words);  ///< of each word the bits that count in one of these
  Free (*free_bits)(const Words& from, const Words& to);
  bool (*is_legal)(const Words& words);  ///< as far as somebody else than this driver chooses it
  bool (*acts)(const Words& words);      ///< it does more than abort
};

/// The next one on the way. Behind it, and once more if it was not the last one, it is asked again
/// with what stands in memory then.
Step next_step(const Structure& structure, const Words& from, const Words& to);

}  // namespace iommucheck::impl::hitless
