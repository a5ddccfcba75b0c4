// SPDX-License-Identifier: MIT
// From one STE to another, while the SMMU may read any mixture of the words that are stored between
// two CMD_SYNCs, and may have cached each of them by itself. IHI 0070 3.21.3, 5.2.
//
// Words that the old STE does not use come first; then the one word that differs in what both use;
// then what only the new STE allows. So every mixture is the old or the new one for each access.
// Where two words differ in what both use there is no such way, and it leads through an STE that
// aborts. No way is shorter: tests/explain/ste_writer_test.cpp tries all.
#pragma once

#include "impl/smmuv3/structures.h"

namespace iommucheck::impl::ste {

/// Of each word the bits that count in an STE with these words. IHI 0070 5.2.
Words used_bits(const Words& words);

inline constexpr unsigned word0_alone = 1;  // of words, as bits

/// Stores of some words, with CFGI_STE and CMD_SYNC behind them.
struct Step {
  unsigned stored = 0;  ///< which words, as bits; 0: it says so already
  Words words{};
  bool last = true;
};

/// The next one on the way; both are legal. Behind it, and once more if it was not the last one, it
/// is asked again with what stands in memory then.
Step next_step(const Words& from, const Words& to);

/// They differ in a table of the driver's and in S1DSS at most: stored at once, a mixture is one of
/// them for accesses with a PASID, and one of them or an abort for those without.
bool differ_by_table(const Words& from, const Words& to);

}  // namespace iommucheck::impl::ste
