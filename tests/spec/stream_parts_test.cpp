// SPDX-License-Identifier: MIT
// A list of parts is the same however long it is: what lies in one that came before is left out.
#include "spec/smmu/stream_parts.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <tuple>

namespace iommucheck::spec::stream_parts_test {
namespace {

using Bounds = std::tuple<u32, u32, u32>;

Bounds bounds_of(const StreamPart& part) { return {part.sid, part.first, part.last}; }

/// Single substreams mostly, whole streams, and some ranges.
StreamPart drawn() {
  const u32 sid = *rc::gen::inRange<u32>(0, 4);
  const u32 first = *rc::gen::inRange<u32>(0, 24);
  switch (*rc::gen::inRange(0, 12)) {
    case 0: return {sid};
    case 1: return {sid, first, first + 3};
    default: return {sid, first, first};
  }
}

RC_GTEST_PROP(StreamParts, hold_what_is_in_none_before, ()) {
  StreamParts parts;
  std::vector<Bounds> expected;
  for (int i = 0; i < 100; ++i) {
    const StreamPart part = drawn();
    const auto covers = [&](const Bounds& known) {
      const auto [sid, first, last] = known;
      return sid == part.sid && first <= part.first && part.last <= last;
    };
    if (std::ranges::none_of(expected, covers)) expected.push_back(bounds_of(part));
    parts.add(part);
  }
  std::vector<Bounds> got;
  for (const StreamPart& part : parts) got.push_back(bounds_of(part));
  RC_ASSERT(got == expected);
}

TEST(StreamParts, AreForgottenAsAWhole) {
  StreamParts parts;
  for (u32 sid = 0; sid < 100; ++sid) parts.add({sid});
  parts.clear();
  EXPECT_TRUE(parts.empty());
  for (u32 sid = 0; sid < 100; ++sid) parts.add({sid});
  EXPECT_EQ(parts.size(), 100U);
}

}  // namespace
}  // namespace iommucheck::spec::stream_parts_test
