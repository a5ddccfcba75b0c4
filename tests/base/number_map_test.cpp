// SPDX-License-Identifier: MIT
#include "base/number_map.h"

#include <gtest/gtest.h>

#include <map>

#include "base/random.h"

namespace iommucheck {
namespace {

TEST(NumberMap, IsAsAMapOfTheLibrary) {
  SplitMix64 random(1);
  NumberMap<u64> map;
  std::map<u64, u64> expected;
  for (int step = 0; step < 20'000; ++step) {
    // Neighbours, multiples of a page, and 0; few enough that most come again.
    const u64 key = random.below(400) << (12 * random.below(4));
    if (random.below(2'000) == 0) {
      map.clear();
      expected.clear();
    }
    if (random.below(2) == 0) map[key] = expected[key] = random.below(9);
    const auto there = expected.find(key);
    const u64* found = map.find(key);
    ASSERT_EQ(found != nullptr, there != expected.end()) << step;
    if (found != nullptr) {
      ASSERT_EQ(*found, there->second) << step;
    }
    ASSERT_EQ(map.size(), expected.size()) << step;
  }
}

TEST(NumberMap, OneThatIsNewIsZero) {
  NumberMap<u32> map;
  EXPECT_EQ(map.find(0), nullptr);
  EXPECT_EQ(map[0], 0U);
  EXPECT_TRUE(map.contains(0));
  EXPECT_FALSE(map.contains(~u64{0}));
  map[7] = 3;
  map.clear();
  EXPECT_FALSE(map.contains(7));
  EXPECT_EQ(map[7], 0U);
}

}  // namespace
}  // namespace iommucheck
