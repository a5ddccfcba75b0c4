// SPDX-License-Identifier: MIT
// The rule-coverage file: sums of runs, also of those that add at the same time; nothing else's
// file is ever overwritten.
#include "report/coverage.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "spec/rules/promises.h"

namespace iommucheck::oracle::report_coverage_test {
namespace {

std::string fresh(const std::string& name) {
  std::string path = testing::TempDir() + name + std::to_string(::getpid());
  std::filesystem::remove(path);
  return path;
}
std::string slurp(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}
RuleCoverage one_run(u64 asked, u64 discriminating, u64 broken) {
  RuleTally tally;
  const auto i = spec::number_of(spec::rule::PAGE_REUSE);
  tally.asked[i] = asked;
  tally.discriminating[i] = discriminating;
  tally.broken[i] = broken;
  return RuleCoverage::of(tally);
}

TEST(RuleCoverageFile, IsTheSumOfItsRuns) {
  const std::string path = fresh("coverage");
  ASSERT_TRUE(add_to_coverage_file(path, one_run(5, 3, 0)));
  ASSERT_TRUE(add_to_coverage_file(path, one_run(7, 1, 2)));
  const auto read = coverage_from_json(slurp(path), path);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->runs, 2u);
  EXPECT_EQ(read->rules.size(), spec::all_rules().size());
  EXPECT_EQ(read->rules.at("PAGE_REUSE"),
            (RuleCoverage::Counts{.asked = 12, .discriminating = 4, .broken = 2}));
  const auto again = coverage_from_json(to_json(*read), "again");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*again, *read);
}

TEST(RuleCoverageFile, KeepsRulesOfOtherVersionsAndDoesNotWrap) {
  const std::string path = fresh("coverage_other");
  std::ofstream(path) << R"({"iommucheck-rule-coverage": 1, "runs": 18446744073709551615,
    "rules": {"OF_TOMORROW": {"asked": 1, "discriminating": 1, "broken": 0},
              "PAGE_REUSE": {"asked": 18446744073709551615, "discriminating": 0, "broken": 0}}})";
  ASSERT_TRUE(add_to_coverage_file(path, one_run(1, 1, 1)));
  const auto read = coverage_from_json(slurp(path), path);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->runs, ~u64{0});
  EXPECT_EQ(read->rules.at("OF_TOMORROW").asked, 1u);
  EXPECT_EQ(read->rules.at("PAGE_REUSE").asked, ~u64{0});
}

TEST(RuleCoverageFile, SomethingElseStaysAsItIs) {
  for (const char* other :
       {"notes\n", "{}", "[1]", R"({"iommucheck-rule-coverage": 2, "runs": 0, "rules": {}})",
        R"({"iommucheck-rule-coverage": 1, "runs": 0, "rules": {"A": {"asked": -1}}})",
        R"({"iommucheck-rule-coverage": 1, "runs": "0x1", "rules": {}})"}) {
    const std::string path = fresh("coverage_not");
    std::ofstream(path) << other;
    const auto added = add_to_coverage_file(path, one_run(1, 1, 0));
    ASSERT_FALSE(added) << other;
    EXPECT_EQ(added.error().code, ErrorCode::bad_input);
    EXPECT_NE(added.error().message.find("coverage_not"), std::string::npos);
    EXPECT_EQ(slurp(path), other);
  }
  EXPECT_EQ(add_to_coverage_file("/nowhere/x", one_run(1, 1, 0)).error().code,
            ErrorCode::environment);
  EXPECT_FALSE(add_to_coverage_file("/", one_run(1, 1, 0)));
  EXPECT_FALSE(add_to_coverage_file("/dev/null", one_run(1, 1, 0)));
}

TEST(RuleCoverageFile, ProcessesMayAddAtTheSameTime) {
  const std::string path = fresh("coverage_many");
  constexpr int processes = 4;
  constexpr int times = 25;
  for (int p = 0; p < processes; ++p) {
    if (::fork() != 0) continue;
    bool good = true;
    for (int i = 0; i < times; ++i)
      good &= add_to_coverage_file(path, one_run(2, 1, 0)).has_value();
    ::_exit(good ? 0 : 1);
  }
  for (int p = 0; p < processes; ++p) {
    int status = -1;
    ASSERT_GT(::wait(&status), 0);
    EXPECT_EQ(status, 0);
  }
  const auto read = coverage_from_json(slurp(path), path);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(read->runs, u64{processes * times});
  EXPECT_EQ(read->rules.at("PAGE_REUSE").asked, u64{2 * processes * times});
}

}  // namespace
}  // namespace iommucheck::oracle::report_coverage_test
