// SPDX-License-Identifier: MIT
// Random scenarios: the same from the same seed, all of them readable, right on a right backend,
// and short ones for each of the second backend's twins.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "scenario/format/parser.h"
#include "scenario/random/draw.h"
#include "scenario/random/sequences.h"
#include "scenario/random/shrink_lines.h"
#include "scenario/run/backend_subject.h"
#include "tests/scenario/two_twins_support.h"

namespace iommucheck::oracle::stories::random_test {
namespace {

using Lines = std::vector<std::string>;

AloneOptions on(std::unique_ptr<Subject> (*make)(), double hang_seconds = 60) {
  AloneOptions options;
  options.subjects = [make] { return Expected<Subjects>(Subjects{.make = make}); };
  options.hang_seconds = hang_seconds;
  return options;
}

TEST(RandomScenarios, DependOnSeedAndNumberAloneAndCanBeRead) {
  std::set<std::string> all;
  for (u64 number = 0; number < 300; ++number) {
    const std::string text = text_of_lines(draw_lines(7, number, {.steps = 40}));
    EXPECT_EQ(text, text_of_lines(draw_lines(7, number, {.steps = 40})));
    const auto file = scenario::parse(text, "random");
    ASSERT_TRUE(file) << file.error().message << "\n" << text;
    EXPECT_EQ(file->scenarios.size(), 1U);
    all.insert(text.substr(text.find('\n')));
  }
  EXPECT_EQ(all.size(), 300U);
}

TEST(RandomScenarios, ShrinkToTheLinesThatAreNeeded) {
  Lines lines{"@ head"};
  for (int i = 0; i < 40; ++i) lines.push_back(std::to_string(i));
  const auto has = [](const Lines& all, const char* line) {
    return std::ranges::find(all, line) != all.end();
  };
  u32 asked = 0;
  const auto fails = [&](const Lines& rest) {
    ++asked;
    return has(rest, "3") && has(rest, "31");
  };
  EXPECT_EQ(shrink_lines(lines, fails, 1000), (Lines{"@ head", "3", "31"}));
  const u32 needed = asked;
  asked = 0;
  EXPECT_GT(shrink_lines(lines, fails, 5).size(), 3U);
  EXPECT_EQ(asked, 5U);
  EXPECT_LT(needed, 200U);
}

TEST(RandomScenarios, HoldOnTheSecondBackend) {
  for (const u64 seed : {1U, 2U, 3U}) {
    const auto result = run_sequences(on(make_two), {.seed = seed, .runs = 12});
    ASSERT_TRUE(result) << result.error().message;
    for (const SequenceFinding& finding : result->findings) {
      ADD_FAILURE() << spec::rule_name(finding.rule) << "\n" << text_of_lines(finding.lines);
    }
    EXPECT_EQ(result->runs, 12U);
    EXPECT_GE(result->whole, 9U);
    EXPECT_TRUE(result->needs.empty());
  }
}

/// The first sequences that break a rule of the twin's own, and the shortest one of them fails
/// alone.
TEST(RandomScenarios, FindEachTwinOfTheSecondBackend) {
  constexpr u64 runs_max = 200;
  for (const TwoTwin& twin : two_twins()) {
    const auto is_its = [&](const SequenceFinding& finding) {
      return std::ranges::find(twin.rules, finding.rule) != twin.rules.end();
    };
    bool found = false;
    for (u64 from = 0; from < runs_max && !found; ++from) {
      const auto result =
          run_sequences(on(twin.make), {.seed = 1, .from = from, .runs = 1, .shrink_runs = 30});
      ASSERT_TRUE(result) << result.error().message;
      const auto finding = std::ranges::find_if(result->findings, is_its);
      if (finding == result->findings.end()) continue;
      found = true;
      const auto file = scenario::parse(text_of_lines(finding->lines), "shortest");
      ASSERT_TRUE(file) << file.error().message;
      const auto again = run_alone(file->scenarios.at(0), on(twin.make));
      ASSERT_TRUE(again && again->failure) << twin.name;
      EXPECT_EQ(again->failure->rule, finding->rule) << twin.name;
    }
    EXPECT_TRUE(found) << twin.name << ": " << twin.what;
  }
}

TEST(RandomScenarios, SubjectsThatCannotBeMadeAreAnErrorOfTheirOwn) {
  AloneOptions options;
  options.subjects = []() -> Expected<Subjects> {
    return fail(ErrorCode::bad_input, "there is none");
  };
  const auto result = run_sequences(options, {.runs = 3});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::bad_input);
  EXPECT_EQ(result.error().message, "there is none");
}

}  // namespace
}  // namespace iommucheck::oracle::stories::random_test
