// SPDX-License-Identifier: MIT
// What was touched is found again, whole; there is no more of it than is looked at.
#include "monitor/touched.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace iommucheck::oracle::touched_test {
namespace {

bool has(const Touched& touched, u32 tag, u64 first, u64 last) {
  return std::ranges::any_of(touched.intervals(), [&](const spec::DirtyInterval& its) {
    return its.tag == tag && its.first <= first && last <= its.last;
  });
}

bool has(const Touched& touched, u32 sid, u32 substream) {
  return std::ranges::any_of(touched.streams(), [&](const spec::StreamPart& its) {
    return its.sid == sid && its.first <= substream && substream <= its.last;
  });
}

TEST(Touched, intervals_that_meet_or_adjoin_are_one) {
  Touched touched;
  touched.interval(1, 0x1000, 0x1fff);
  touched.interval(1, 0x2000, 0x2fff);
  touched.interval(1, 0x1800, 0x27ff);
  touched.interval(1, ~u64{0} - 0xfff, ~u64{0});
  touched.interval(2, 0x3000, 0x3fff);
  ASSERT_EQ(touched.intervals().size(), 3U);
  EXPECT_TRUE(has(touched, 1, 0x1000, 0x2fff));
  EXPECT_TRUE(has(touched, 2, 0x3000, 0x3fff));
  EXPECT_EQ(touched.consistent(), "");
}

TEST(Touched, beyond_a_bound_intervals_of_a_tag_are_joined_and_none_is_lost) {
  Touched touched;
  constexpr u64 many = 1000;
  for (u64 i = 0; i < many; ++i) touched.interval(1, i << 16, (i << 16) + 0xfff);
  touched.interval(2, 0, 0xfff);
  EXPECT_LT(touched.intervals().size(), many / 2);
  for (u64 i = 0; i < many; ++i) EXPECT_TRUE(has(touched, 1, i << 16, (i << 16) + 0xfff)) << i;
  EXPECT_TRUE(has(touched, 2, 0, 0xfff));
}

TEST(Touched, beyond_a_bound_parts_of_a_stream_are_joined_and_none_is_lost) {
  Touched touched;
  constexpr u32 many = 200;
  for (u32 i = 0; i < many; ++i) touched.stream({7, 2 * i, 2 * i});
  touched.stream({8});
  touched.stream({7, 4, 4});
  EXPECT_LT(touched.streams().size(), many / 2);
  for (u32 i = 0; i < many; ++i) EXPECT_TRUE(has(touched, 7, 2 * i)) << i;
  EXPECT_TRUE(has(touched, 8, 5));
}

TEST(Touched, of_as_many_streams_as_there_may_be_each_is_one_part) {
  Touched touched;
  constexpr u32 many = 1 << 16;
  for (u32 sid = 0; sid < many; ++sid) touched.stream({sid, 1, 1});
  for (u32 sid = many; sid-- != 0;) touched.stream({sid, 3, 3});
  ASSERT_EQ(touched.streams().size(), many);
  for (u32 sid = 0; sid < many; ++sid) {
    EXPECT_EQ(touched.streams()[sid].sid, sid);
    EXPECT_EQ(touched.streams()[sid].first, 1U);
    EXPECT_EQ(touched.streams()[sid].last, 3U);
  }
  // What is touched after that is known anew.
  touched.only_streams({{7, 1, 1}});
  touched.stream({7, 5, 5});
  EXPECT_EQ(touched.streams().size(), 2U);
  touched.clear();
  touched.stream({7, 1, 1});
  EXPECT_EQ(touched.streams().size(), 1U);
}

TEST(Touched, whole_streams_leave_intervals_as_they_are) {
  Touched touched;
  touched.interval(1, 0, 0xfff);
  touched.stream({7, 1, 1});
  touched.only_streams({{3}});
  EXPECT_EQ(touched.streams().size(), 1U);
  EXPECT_TRUE(has(touched, 3, 0));
  EXPECT_TRUE(has(touched, 1, 0, 0xfff));
  touched.clear();
  EXPECT_TRUE(touched.streams().empty());
  EXPECT_TRUE(touched.intervals().empty());
}

TEST(Touched, an_interval_that_ends_before_it_begins_is_inconsistent) {
  Touched touched;
  touched.interval(1, 2, 1);
  EXPECT_NE(touched.consistent(), "");
}

}  // namespace
}  // namespace iommucheck::oracle::touched_test
