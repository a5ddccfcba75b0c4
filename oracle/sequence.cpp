// SPDX-License-Identifier: MIT
#include "oracle/sequence.h"

namespace iommucheck::oracle {

void make_sequence(u64 seed, u64 number, u32 operations_max, Sequence& sequence) {
  // Two rounds, so that neighbouring seeds and numbers have nothing in common.
  RandomWords words(RandomWords(seed).next() ^ RandomWords(~number).next());
  const u64 shape = words.next();
  sequence.ends = {.whole_space = shape % 64 == 0, .teardown = (shape >> 8) % 16 == 0};
  const bool whole = (shape >> 16) % 4 != 0;
  const u64 count = whole ? operations_max : 1 + (shape >> 24) % operations_max;
  sequence.operations.clear();
  for (u64 i = 0; i < count; ++i) {
    sequence.operations.push_back(fuzz::random_operation(words.next()));
  }
}

}  // namespace iommucheck::oracle
