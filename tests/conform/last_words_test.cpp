// SPDX-License-Identifier: MIT
#include "conform/dut/last_words.h"

#include <gtest/gtest.h>

namespace iommucheck::oracle::last_words_test {
namespace {

TEST(LastWords, TheLastLinesAndNotTheFirst) {
  EXPECT_EQ(last_lines("warning: nothing of it\n\n  ERROR: it is here\n"),
            "warning: nothing of it | ERROR: it is here");
  const std::string long_ago(400, 'x');
  EXPECT_EQ(last_lines(long_ago + "\nlast\n"), "last");
  EXPECT_EQ(last_lines(long_ago).size(), 300U);
  EXPECT_EQ(last_lines(""), "");
}

/// Each death is told by its place, so that a known one excuses no other.
TEST(LastWords, ThePlaceOfAnAssertion) {
  EXPECT_EQ(source_place(
                "** | ERROR:../../hw/arm/smmu-common.c:678:smmu_ptw: code should not be reached"),
            "hw/arm/smmu-common.c:678");
  EXPECT_EQ(source_place("model: src/walk.cpp:12: int f(): Assertion `0' failed."),
            "src/walk.cpp:12");
  EXPECT_EQ(source_place("thread 'main' panicked at src/smmu.rs:40:9: index out of bounds"),
            "src/smmu.rs:40");
  EXPECT_EQ(source_place("a.c:1 b.c:2"), "b.c:2");
  EXPECT_EQ(source_place("segmentation fault"), "");
  EXPECT_EQ(source_place("listening on 127.0.0.1:8080"), "");
}

}  // namespace
}  // namespace iommucheck::oracle::last_words_test
