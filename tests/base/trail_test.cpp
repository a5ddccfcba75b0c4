// SPDX-License-Identifier: MIT
#include "base/trail.h"

#include <gtest/gtest.h>

#include <vector>

namespace iommucheck::trail_test {
namespace {

TEST(Trail, GoesBackToAMark) {
  Trail trail;
  u64 one = 1;
  u64 block[3] = {1, 2, 3};
  const Trail::Mark before = trail.mark();
  trail.set(one, 7);
  const Trail::Mark between = trail.mark();
  trail.save(block, 3);
  block[1] = 9;
  trail.set(one, 8);
  trail.undo_to(between);
  EXPECT_EQ(one, 7u);
  EXPECT_EQ(block[1], 2u);
  trail.undo_to(before);
  EXPECT_EQ(one, 1u);
}

TEST(Trail, ForgetsAndGoesOn) {
  Trail trail;
  std::vector<u64> words(100'000);
  for (u64& word : words) trail.set(word, 1);
  const u64 generation = trail.generation();
  trail.forget();
  EXPECT_EQ(trail.mark(), 0u);
  EXPECT_NE(trail.generation(), generation) << "what was derived before has to be derived anew";
  trail.undo_to(0);
  EXPECT_EQ(words.front(), 1u) << "the state stays as it is";
  const Trail::Mark now = trail.mark();
  for (u64& word : words) trail.set(word, 2);
  trail.undo_to(now);
  EXPECT_EQ(words.back(), 1u);
}

}  // namespace
}  // namespace iommucheck::trail_test
