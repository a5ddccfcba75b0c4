// SPDX-License-Identifier: MIT
// Plug-ins that bring their process down, do not return, or keep state where nobody can put it
// back: each is a finding with its sequence, and the checker lives on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "oracle/check.h"
#include "oracle/violation_text.h"
#include "tests/oracle/lockstep_support.h"
#include "trace/trace_file.h"

namespace iommucheck::test {
namespace {

using oracle::CheckOptions;
using oracle::CheckResult;
using oracle::Violation;
using ::testing::Contains;
using ::testing::HasSubstr;

CheckOptions options_for(const std::string& fault) {
  CheckOptions options;
  options.driver = std::string(IOMMUCHECK_TEST_PLUGINS) + "/faulty_" + fault + ".so";
  options.sequences = 2000;
  options.hang_seconds = 2;
  options.out_directory = (std::filesystem::temp_directory_path() /
                           ("iommucheck-worker-" + std::to_string(::getpid())))
                              .string();
  return options;
}

CheckResult check(const CheckOptions& options) {
  auto result = oracle::run_check(options);
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

void expect_death(const CheckOptions& options, spec::Rule rule, const std::string& headline) {
  const CheckResult result = check(options);
  ASSERT_EQ(result.findings.size(), 1U);
  const Violation& found = result.findings.front();
  EXPECT_EQ(found.rule, rule) << found.headline;
  EXPECT_THAT(found.headline, HasSubstr(headline));
  EXPECT_THAT(found.evidence, Contains(HasSubstr("= it did not return")));
  EXPECT_GE(found.calls, 2U);
  const auto trace = trace::read_trace(found.trace_path);
  ASSERT_TRUE(trace.has_value()) << trace.error().message;
  EXPECT_GT(trace->events.size(), 10U);
  std::filesystem::remove_all(options.out_directory);
}

TEST(CheckWorker, ACrashIsAFindingWithItsTrace) {
  CheckOptions options = options_for("crash");
  options.shrink = false;
  expect_death(options, spec::Rule::CRASH_NEVER, "the driver");
}

TEST(CheckWorker, ACrashIsMadeSmall) {
  const CheckResult result = check(options_for("crash"));
  ASSERT_EQ(result.findings.size(), 1U);
  // A domain, a map of some pages, its unmap.
  EXPECT_LE(result.findings.front().calls, 3U);
  EXPECT_LE(result.findings.front().operations.size(), 3U);
  std::filesystem::remove_all(options_for("crash").out_directory);
}

TEST(CheckWorker, AnExitIsACrash) {
  expect_death(options_for("exit"), spec::Rule::CRASH_NEVER, "ended the process");
}

TEST(CheckWorker, ALoopWithoutEndIsAHang) {
  CheckOptions options = options_for("spin");
  options.shrink = false;  // each try costs the time to see that it hangs
  expect_death(options, spec::Rule::HANG_RETURNS, "does not return");
}

TEST(CheckWorker, PollingWithoutEndIsAHangAndNeedsNoMemory) {
  CheckOptions options = options_for("poll");
  options.shrink = false;
  expect_death(options, spec::Rule::HANG_RETURNS, "does not return");
}

TEST(CheckWorker, TheRunGoesOnAfterACrash) {
  CheckOptions options = options_for("crash");
  options.findings_max = 2;
  options.sequences = 60;
  options.shrink = false;
  const CheckResult result = check(options);
  ASSERT_EQ(result.findings.size(), 1U);
  // Those that crashed are missing from the number.
  EXPECT_GT(result.sequences, 10U);
  EXPECT_LT(result.sequences, 60U);
  for (const oracle::RuleCount& count : result.rules) {
    if (count.rule != spec::Rule::CRASH_NEVER) continue;
    EXPECT_EQ(count.verdict, oracle::RuleVerdict::broken);
    EXPECT_EQ(count.broken + result.sequences, 60U);
  }
  std::filesystem::remove_all(options.out_directory);
}

TEST(CheckWorker, StaticVariablesArePutBack) {
  // Over a hundred unmaps in all, yet never in one case.
  const CheckResult result = check(options_for("statics"));
  EXPECT_TRUE(result.findings.empty()) << result.findings.front().headline;
  EXPECT_EQ(result.sequences, 2000U);
}

TEST(CheckWorker, OtherStateIsSaidToBeTheReason) {
  const CheckResult result = check(options_for("thread"));
  ASSERT_EQ(result.findings.size(), 1U);
  EXPECT_EQ(result.findings.front().rule, spec::Rule::PAGE_REUSE);
  EXPECT_THAT(result.findings.front().evidence,
              Contains(HasSubstr("not seen again from a fresh start")));
  std::filesystem::remove_all(options_for("thread").out_directory);
}

TEST(CheckWorker, FindingsCrossTheProcessAsTheyWere) {
  Violation violation;
  violation.rule = spec::Rule::TABLE_FREE;
  violation.headline = "what, where; and why\nin two lines";
  violation.evidence = {"", "a", "b\x1f!"};
  violation.operations = sequence_of(1, 2).operations;
  violation.calls = 7;
  violation.sequence = ~u64{0};
  violation.trace_path = "/tmp/x y";
  const std::string text = oracle::to_text(violation);
  const auto back = oracle::violation_of(text);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->rule, violation.rule);
  EXPECT_EQ(back->headline, violation.headline);
  EXPECT_EQ(back->evidence, (std::vector<std::string>{"", "a", "b !"}));
  EXPECT_EQ(back->operations, violation.operations);
  EXPECT_EQ(back->calls, violation.calls);
  EXPECT_EQ(back->sequence, violation.sequence);
  EXPECT_EQ(back->trace_path, violation.trace_path);
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    EXPECT_FALSE(oracle::violation_of(text.substr(0, cut)).has_value()) << cut;
    std::string damaged = text;
    damaged[cut] = '9';
    static_cast<void>(oracle::violation_of(damaged));  // whatever it says, it ends
  }
  const oracle::GaveUp bound{.bound = "too many", .operations = violation.operations,
                             .sequence = 3, .trace_path = ""};
  const auto same = oracle::gave_up_of(oracle::to_text(bound));
  ASSERT_TRUE(same.has_value());
  EXPECT_EQ(same->bound, bound.bound);
  EXPECT_EQ(same->operations, bound.operations);
  EXPECT_FALSE(oracle::gave_up_of(text).has_value());
}

}  // namespace
}  // namespace iommucheck::test
