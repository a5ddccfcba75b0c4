// SPDX-License-Identifier: MIT
// A number of a sequence stands for it, whatever compiled the command.
#include "check/sequence.h"

#include <gtest/gtest.h>

#include "operations/operation.h"

namespace iommucheck::oracle::sequence_test {
namespace {

/// Of the words of all operations of the first sequences of a seed.
u64 sum_of(u64 seed, u64 sequences) {
  u64 sum = 0;
  for (u64 number = 0; number < sequences; ++number) {
    Sequence sequence;
    make_sequence(seed, number, 16, sequence);
    for (const fuzz::Operation& operation : sequence.operations) {
      sum = SplitMix64(sum ^ fuzz::encode_word(operation)).next();
    }
  }
  return sum;
}

/// clang evaluates arguments from left to right, g++ from right to left: numbers drawn in two of
/// one call were others.
TEST(SequenceNumbers, StandForTheSameWhateverCompiles) {
  EXPECT_EQ(sum_of(1, 400), 0xeef225d0b12eaffeU);
}

}  // namespace
}  // namespace iommucheck::oracle::sequence_test
