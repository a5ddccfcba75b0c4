// SPDX-License-Identifier: MIT
// The literal model against the examples and our own files: sets and verdicts, exactly.
#include "litmus/twin/twin.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "litmus/parser.h"
#include "tests/litmus/expectations_support.h"
#include "tests/places.h"

namespace iommucheck::litmus::twin_test {
namespace {

TEST(LitmusTwin, AgreesWithEveryFile) {
  int judged = 0;
  for (const auto& entry : std::filesystem::directory_iterator(test::in_tree("litmus/files"))) {
    if (entry.path().extension() != ".litmus") continue;
    const auto file = parse_file(entry.path().string());
    ASSERT_TRUE(file) << file.error().message;
    for (const auto& test : file->tests) {
      const Judgement got = judge_literally(test);
      EXPECT_EQ(got.unsupported, "") << test.name;
      ++judged;
      EXPECT_EQ(difference(test, got), "") << to_string(test.place) << " " << test.name;
    }
  }
  EXPECT_GE(judged, 850);
}

/// States to which several schedules come are gone on from once: nothing is lost by it.
TEST(LitmusTwin, EqualStatesHaveNothingNewToShow) {
  constexpr u64 enough = 1000;
  int compared = 0;
  for (const char* name : {"dma", "dma_ats", "el2_worlds", "own_queue", "stage2", "leaves"}) {
    const auto file = parse_file(test::in_tree("litmus/files/" + std::string(name) + ".litmus"));
    ASSERT_TRUE(file) << file.error().message;
    for (const auto& test : file->tests) {
      const Judgement each = judge_literally(test, enough, false);
      if (!each.unsupported.empty()) continue;
      const Judgement once = judge_literally(test, enough);
      EXPECT_EQ(once.unsupported, "") << test.name;
      EXPECT_EQ(once.allowed, each.allowed) << test.name;
      EXPECT_EQ(once.dmas, each.dmas) << test.name;
      EXPECT_EQ(once.loads, each.loads) << test.name;
      EXPECT_EQ(once.broken, each.broken) << test.name;
      ++compared;
    }
  }
  EXPECT_GE(compared, 80);
}

/// Without it two open DMAs and seven commands of a group are beyond any bound.
TEST(LitmusTwin, EqualStatesAreMany) {
  const auto file = parse_file(test::in_tree("litmus/files/dma_ats.litmus"));
  ASSERT_TRUE(file) << file.error().message;
  for (const auto& test : file->tests) {
    if (test.name != "seven_commands_and_a_dma" && test.name != "two_dmas_of_two_streams") continue;
    EXPECT_EQ(judge_literally(test, 3'000).unsupported, "") << test.name;
    EXPECT_NE(judge_literally(test, 3'000, false).unsupported, "") << test.name;
  }
}

/// The comparison can fail: each set with one member less or more, and each other verdict, differs.
TEST(LitmusTwin, ADifferentExpectationIsNoticed) {
  for (const char* name : {"leaves", "configuration", "own_tables"}) {
    const auto file = parse_file(test::in_tree("litmus/files/" + std::string(name) + ".litmus"));
    ASSERT_TRUE(file) << file.error().message;
    for (const auto& original : file->tests) {
      const Judgement got = judge_literally(original);
      auto test = original;
      test.accesses[0].allowed.pop_back();
      EXPECT_NE(difference(test, got), "") << test.name;
      test = original;
      test.accesses[0].allowed.push_back({"F_UUT", {}});
      EXPECT_NE(difference(test, got), "") << test.name;
      test = original;
      test.driver->ok = !test.driver->ok;
      if (!test.driver->ok) test.driver->rule = "page-reuse";
      EXPECT_NE(difference(test, got), "") << test.name;
    }
  }
}

constexpr const char* in_flight = R"(
test freed_while_in_flight
init use std
run dma d begin 1 0x1000 w
run store word B 1 0
run do TLBI_NH_VA asid=6 va=0x1000 leaf=1
run mark
run release P1
run dma d end
dma d -> P1 F_TRANSLATION late:P1 late:F_TRANSLATION
driver violation page-reuse: the SYNC waits only for what its commands cover
test cfgi_waits
init use std
run dma d begin 1 0x1000 w
run store cd C1 v=0
run do CFGI_CD 1 0 leaf=1
run mark
run dma d end
dma d -> P1 C_BAD_CD late:C_BAD_CD
driver ok
)";

TEST(LitmusTwin, ADmaIsWaitedForByWhatCoversIt) {
  const auto file = parse(in_flight);
  ASSERT_TRUE(file) << file.error().message;
  for (const auto& test : file->tests) {
    EXPECT_EQ(difference(test, judge_literally(test)), "") << test.name;
  }
}

}  // namespace
}  // namespace iommucheck::litmus::twin_test
