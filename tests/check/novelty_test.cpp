// SPDX-License-Identifier: MIT
#include "check/novelty.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/random.h"
#include "check/finding_kind.h"
#include "spec/rules/promises.h"

namespace iommucheck::oracle::novelty_test {
namespace {

using testing::ElementsAre;
using testing::StartsWith;
using testing::UnorderedElementsAre;

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
  std::set<u64> places;
  for (const FirstSeen::Pair& pair : seen->pairs(place)) places.insert(pair.place);
  EXPECT_THAT(places, ElementsAre(0, 1, 3));
}

TEST(Novelty, FeaturesHaveNames) {
  auto seen = FirstSeen::create();
  ASSERT_TRUE(seen) << seen.error().message;
  spec::sva::Call unmap;
  unmap.kind = spec::sva::CallKind::unmap;
  unmap.size = 0x4000;
  seen->call(unmap, {.value = 0x4000}, false, 0);
  EXPECT_TRUE(seen->pairs(1).empty()) << "of no sequence";
  seen->enter(0);
  seen->call(unmap, {.value = 0x4000}, false, static_cast<u32>(spec::sva::CallKind::map));
  seen->call(unmap, {.status = spec::sva::Status::einval}, true, ~u32{0});
  seen->rule(spec::rule::PAGE_REUSE);
  seen->rule_in(spec::rule::PAGE_REUSE, "unmap");
  seen->rule_in(spec::rule::PAGE_REUSE, "process_fork");
  seen->rule_in(spec::rule::PAGE_REUSE, "teardown");
  seen->finding(key_of(spec::rule::PAGE_REUSE, kind_in_words("unmap")));
  std::vector<std::string> names;
  for (const FirstSeen::Pair& pair : seen->pairs(1)) {
    names.push_back(feature_name(pair.feature));
    EXPECT_EQ(sort_of(names.back()), sort_of(pair.feature)) << names.back();
  }
  EXPECT_THAT(names, UnorderedElementsAre(
                         "unmap: ok, of its size", "unmap: ok, of its size behind map",
                         "unmap: EINVAL, waits", "unmap: EINVAL, waits behind nothing",
                         "rule PAGE_REUSE", "PAGE_REUSE in unmap", "PAGE_REUSE in process_fork",
                         "PAGE_REUSE in teardown", StartsWith("finding PAGE_REUSE ")));
  seen->forget();
  EXPECT_TRUE(seen->pairs(1).empty());
}

/// A driver may have scribbled over the memory that they are in.
TEST(Novelty, AnyNumberHasAName) {
  SplitMix64 random(1);
  for (int i = 0; i < 100'000; ++i) EXPECT_FALSE(feature_name(random.next()).empty());
  EXPECT_FALSE(feature_name(~u64{0}).empty());
}

TEST(Novelty, WhatWasSeenBeforeIsNotNew) {
  auto seen = FirstSeen::create();
  ASSERT_TRUE(seen) << seen.error().message;
  seen->enter(0);
  seen->rule(spec::rule::PAGE_REUSE);
  seen->rule(spec::rule::TABLE_FREE);
  const auto pairs = seen->pairs(1);
  SeenSoFar fresh;
  EXPECT_TRUE(fresh.adds(pairs));
  EXPECT_FALSE(fresh.adds(pairs));
  EXPECT_EQ(fresh.count(), 2U);
  SeenSoFar half(std::make_shared<const FeatureNames>(FeatureNames{"rule PAGE_REUSE"}));
  EXPECT_TRUE(half.adds(pairs));
  EXPECT_EQ(half.count(), 2U);
  EXPECT_THAT(half.names(), ElementsAre("rule TABLE_FREE"));
  SeenSoFar all(std::make_shared<const FeatureNames>(fresh.names()));
  EXPECT_FALSE(all.adds(pairs));
}

}  // namespace
}  // namespace iommucheck::oracle::novelty_test
