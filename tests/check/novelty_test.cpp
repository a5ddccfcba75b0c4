// SPDX-License-Identifier: MIT
#include "check/novelty.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace iommucheck::oracle::novelty_test {
namespace {

using testing::ElementsAre;

/// Of an unmap of four pages: all, some, other some, none came about.
TEST(Novelty, HowMuchOfWhatWasAskedForCameAboutIsAFeature) {
  auto seen = FirstSeen::create();
  ASSERT_TRUE(seen) << seen.error().message;
  spec::sva::Call unmap;
  unmap.kind = spec::sva::CallKind::unmap;
  unmap.size = 0x4000;
  u64 place = 0;
  for (const u64 bytes : {0x4000U, 0x1000U, 0x2000U, 0U}) {
    seen->enter(place++);
    seen->call(unmap, {.value = bytes}, false, 0);
  }
  std::set<u16> places;
  for (const FirstSeen::Pair& pair : seen->pairs(place)) places.insert(pair.place);
  EXPECT_THAT(places, ElementsAre(0, 1, 3));
}

}  // namespace
}  // namespace iommucheck::oracle::novelty_test
