// SPDX-License-Identifier: MIT
// Plug-ins that bring their process down, do not return, or keep state where nobody can put it
// back: each is a finding with its sequence, and the checker lives on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "check/alone.h"
#include "check/check.h"
#include "monitor/replay.h"
#include "report/finding_text.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "tests/check/lockstep_support.h"
#include "tests/places.h"
#include "trace/trace_file.h"

namespace iommucheck::test::check_worker_test {
namespace {

using oracle::CheckOptions;
using oracle::CheckResult;
using oracle::Violation;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

CheckOptions options_for(const std::string& fault) {
  CheckOptions options;
  options.driver = test::in_build("test-plugins/faulty_") + fault + ".so";
  options.sequences = 2000;
  options.hang_seconds = 0.25;
  options.out_directory =
      (std::filesystem::temp_directory_path() / ("iommucheck-worker-" + std::to_string(::getpid())))
          .string();
  return options;
}

CheckResult check(const CheckOptions& options) {
  auto result = oracle::run_check(options);
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

void expect_death(const CheckOptions& options, spec::Rule rule, const std::string& text) {
  const CheckResult result = check(options);
  ASSERT_EQ(result.findings.size(), 1U);
  const Violation& found = result.findings.front();
  EXPECT_EQ(found.rule, rule) << headline(found);
  EXPECT_THAT(headline(found), HasSubstr(text));
  EXPECT_THAT(evidence(found), Contains(HasSubstr("= it did not return")));
  EXPECT_GE(found.calls, 2U);
  const auto trace = trace::read_trace(found.trace_path);
  ASSERT_TRUE(trace.has_value()) << trace.error().message;
  EXPECT_GT(trace->events.size(), 10U);
  std::filesystem::remove_all(options.out_directory);
}

TEST(CheckWorker, ACrashIsAFindingWithItsTrace) {
  CheckOptions options = options_for("crash");
  options.shrink = false;
  expect_death(options, spec::rule::CRASH_NEVER, "the driver");
}

TEST(CheckWorker, ACrashIsMadeSmall) {
  CheckOptions options = options_for("crash");
  const CheckResult result = check(options);
  ASSERT_FALSE(result.findings.empty());
  for (const Violation& found : result.findings) {
    // A domain, one to three maps of some pages, their unmap.
    EXPECT_LE(found.calls, 5U);
    EXPECT_LE(found.operations.size(), 4U);
    const std::string doing(fuzz::to_string(found.operations.back().kind));
    EXPECT_EQ(found.kind.doing, doing);
  }
  std::filesystem::remove_all(options.out_directory);
}

TEST(CheckWorker, AnExitIsACrash) {
  expect_death(options_for("exit"), spec::rule::CRASH_NEVER, "ended the process");
}

TEST(CheckWorker, ALoopWithoutEndIsAHang) {
  CheckOptions options = options_for("spin");
  options.shrink = false;  // each try costs the time to see that it hangs
  expect_death(options, spec::rule::HANG_RETURNS, "does not return");
}

// What is slow is not accused: with more time the call returns.
TEST(CheckWorker, ACallThatReturnsLateIsNoHang) {
  CheckOptions options = options_for("late");
  options.sequences = 100;
  options.shrink = false;
  const CheckResult result = check(options);
  EXPECT_THAT(result.findings, IsEmpty());
  EXPECT_EQ(result.sequences, options.sequences);
  EXPECT_GE(result.without_verdict, 1U);
  ASSERT_FALSE(result.gave_up.empty());
  EXPECT_THAT(result.gave_up.front().bound, HasSubstr("--hang"));
  std::filesystem::remove_all(options.out_directory);
}

TEST(CheckWorker, PollingWithoutEndIsAHangAndNeedsNoMemory) {
  CheckOptions options = options_for("poll");
  options.shrink = false;
  options.steps_max = u64{1} << 16;
  expect_death(options, spec::rule::HANG_RETURNS, "does not return");
}

/// Who asks something for each page of a long range asks more than one call may; so does who asks
/// without an end for each of them.
TEST(CheckWorker, ALongRangeMayTakeMore) {
  CheckOptions options = options_for("looks");
  options.steps_max = 2000;
  options.sequences = 300;
  options.hang_seconds = 5;
  EXPECT_THAT(check(options).findings, IsEmpty());
  options.driver = options_for("looks_often").driver;
  options.shrink = false;
  options.findings_max = 1;
  const CheckResult result = check(options);
  ASSERT_EQ(result.findings.size(), 1U);
  EXPECT_EQ(result.findings[0].rule, spec::rule::HANG_RETURNS);
  std::filesystem::remove_all(options.out_directory);
}

TEST(CheckWorker, ACallThatAsksThePlatformAllTheTimeIsNoHangHoweverLongItTakes) {
  CheckOptions options = options_for("slow");
  options.hang_seconds = 1;
  options.machine = "default";
  options.sequences = 20;
  const CheckResult result = check(options);
  EXPECT_THAT(result.findings, IsEmpty());
  EXPECT_EQ(result.sequences, 20U);
}

TEST(CheckWorker, TheRunGoesOnAfterACrash) {
  CheckOptions options = options_for("crash");
  options.findings_max = 10;
  options.sequences = 240;
  options.shrink = false;
  const CheckResult result = check(options);
  ASSERT_FALSE(result.findings.empty());
  for (const Violation& found : result.findings) EXPECT_EQ(found.rule, spec::rule::CRASH_NEVER);
  // Those that crashed are missing from the number.
  EXPECT_GT(result.sequences, 10U);
  EXPECT_LT(result.sequences, 240U);
  for (const oracle::RuleCount& count : result.rules) {
    if (count.rule != spec::rule::CRASH_NEVER) continue;
    EXPECT_EQ(count.verdict, oracle::RuleVerdict::broken);
    EXPECT_EQ(count.broken + result.sequences, 240U);
  }
  EXPECT_THAT(end_of(options, result).why(), IsEmpty()) << "they were run, too";
  std::filesystem::remove_all(options.out_directory);
}

TEST(CheckWorker, StaticVariablesArePutBack) {
  // Over a hundred unmaps in all, yet never in one case.
  const CheckResult result = check(options_for("statics"));
  EXPECT_TRUE(result.findings.empty()) << headline(result.findings.front());
  EXPECT_EQ(result.sequences, 2000U);
}

/// The events of the last case of a trace that holds several.
std::size_t restored_in(const trace::Trace& trace) {
  return static_cast<std::size_t>(std::ranges::count_if(trace.events, [](const trace::Event& e) {
    const auto* phase = std::get_if<trace::DriverPhase>(&e.payload);
    return phase != nullptr && phase->phase == trace::DriverLife::restored;
  }));
}

TEST(CheckWorker, StateElsewhereIsAFindingOfItsOwn) {
  for (const char* fault : {"thread", "heap"}) {
    CheckOptions options = options_for(fault);
    options.seed = 1;
    options.sequences = 2040;
    const CheckResult result = check(options);
    ASSERT_EQ(result.findings.size(), 1U) << fault;
    const Violation& found = result.findings.front();
    EXPECT_EQ(found.rule, spec::rule::STATE_RETURNS) << headline(found);
    // Seen at its effect, or by the case that is run twice: whichever sequence comes first.
    EXPECT_THAT(headline(found),
                AnyOf(HasSubstr("broke PAGE_REUSE once"), HasSubstr("did not do the same twice")));
    if (!headline(found).contains("PAGE_REUSE")) continue;
    EXPECT_THAT(evidence(found), Contains(HasSubstr("alone: no rule is broken; behind")));
    const auto trace = trace::read_trace(found.trace_path);
    ASSERT_TRUE(trace.has_value()) << trace.error().message;
    EXPECT_GT(restored_in(*trace), 10U);
    const auto again = oracle::run_cases_of(found.trace_path, options);
    ASSERT_TRUE(again.has_value()) << again.error().message;
    EXPECT_EQ(again->cases, restored_in(*trace) + 1);
    // What differs need not break anything: a page may be forgotten that no device reaches.
    const auto cases = oracle::cases_of(trace->header);
    ASSERT_TRUE(cases.has_value()) << cases.error().message;
    CheckOptions here = options;
    here.machine = found.machine;
    const auto alone = oracle::run_alone(here, {&cases->back(), 1}, {}, 10);
    ASSERT_TRUE(alone.has_value()) << alone.error().message;
    EXPECT_NE(alone->hash, again->end.hash);
    const auto fewer = oracle::run_alone(here, std::span(*cases).subspan(1), {}, 10);
    ASSERT_TRUE(fewer.has_value()) << fewer.error().message;
    EXPECT_EQ(alone->hash, fewer->hash) << "one case less, and it does not show";
    std::filesystem::remove_all(options.out_directory);
  }
}

TEST(CheckWorker, ACaseInAProcessOfItsOwnHasNoStateOfOthers) {
  for (const char* fault : {"thread", "heap", "later"}) {
    CheckOptions options = options_for(fault);
    options.isolation = oracle::Isolation::each_case;
    options.sequences = 200;
    const CheckResult result = check(options);
    EXPECT_TRUE(result.findings.empty()) << fault << ": " << headline(result.findings.front());
    EXPECT_EQ(result.sequences, 200U);
    EXPECT_GT(result.outcomes_judged, 1000U) << "counted in the children";
  }
}

TEST(CheckWorker, InAProcessOfItsOwnBreachesAndCrashesAreFoundAsWell) {
  CheckOptions options = options_for("three");
  options.seed = 3;  // one that meets the breach and the crash, and does not hang
  options.sequences = 150;
  options.isolation = oracle::Isolation::each_case;
  options.findings_max = 6;
  const CheckResult result = check(options);
  ASSERT_GE(result.findings.size(), 2U);
  std::set<spec::Rule> rules;
  for (const Violation& found : result.findings) {
    rules.insert(found.rule);
    EXPECT_LE(found.operations.size(), 3U);
    if (found.rule == spec::rule::PAGE_REUSE) {
      EXPECT_THAT(evidence(found), Contains(HasSubstr("nearest miss")));
    }
  }
  EXPECT_TRUE(rules.contains(spec::rule::PAGE_REUSE) && rules.contains(spec::rule::CRASH_NEVER));
  std::filesystem::remove_all(options.out_directory);
}

TEST(CheckWorker, ACrashThatNeedsOthersBeforeItSaysSo) {
  const CheckOptions options = options_for("later");
  const CheckResult result = check(options);
  ASSERT_EQ(result.findings.size(), 1U);
  const Violation& found = result.findings.front();
  EXPECT_EQ(found.rule, spec::rule::CRASH_NEVER) << headline(found);
  EXPECT_THAT(evidence(found), Contains(HasSubstr("not alone: only behind")));
  EXPECT_THAT(evidence(found), Contains(HasSubstr("= it did not return")));
  const auto trace = trace::read_trace(found.trace_path);
  ASSERT_TRUE(trace.has_value()) << trace.error().message;
  EXPECT_GT(restored_in(*trace), 10U);
  const auto again = oracle::run_cases_of(found.trace_path, options);
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(again->end.outcome.ended, oracle::Ended::crashed);
  // Without a driver: nothing that the events show is broken, several cases or not.
  const oracle::ReplayResult judged = oracle::replay_trace(*trace);
  EXPECT_TRUE(judged.findings.empty()) << headline(judged.findings.front());
  EXPECT_EQ(judged.undetermined, 0U);
  std::filesystem::remove_all(options.out_directory);
}

/// On whose machine, and not on the one before: from a fresh start it shows again.
TEST(CheckWorker, ACrashInTheBootIsOfItsMachine) {
  CheckOptions options = options_for("boots_seldom");
  options.machine = "drawn";
  options.seed = 3;
  options.findings_max = 1;
  const CheckResult result = check(options);
  ASSERT_EQ(result.findings.size(), 1U);
  const Violation& found = result.findings.front();
  EXPECT_EQ(found.rule, spec::rule::CRASH_NEVER) << headline(found);
  EXPECT_THAT(found.machine, HasSubstr("ats=0"));
  EXPECT_THAT(evidence(found), Not(Contains(HasSubstr("not seen again"))));
  const auto again = oracle::run_cases_of(found.trace_path, options);
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(again->end.outcome.ended, oracle::Ended::crashed);
  std::filesystem::remove_all(options.out_directory);
}

TEST(CheckWorker, ACrashAHangAndABreachInOneRun) {
  CheckOptions options = options_for("three");
  options.findings_max = 12;
  options.shrink = false;
  const CheckResult result = check(options);
  std::set<spec::Rule> rules;
  for (const Violation& found : result.findings) {
    rules.insert(found.rule);
    const auto trace = trace::read_trace(found.trace_path);
    EXPECT_TRUE(trace.has_value()) << trace.error().message;
  }
  for (const spec::Rule rule :
       {spec::rule::PAGE_REUSE, spec::rule::CRASH_NEVER, spec::rule::HANG_RETURNS}) {
    EXPECT_TRUE(rules.contains(rule)) << spec::rule_name(rule);
  }
  std::filesystem::remove_all(options.out_directory);
}

TEST(CheckWorker, TracesNameTheirCases) {
  trace::Header header;
  const std::vector<oracle::Sequence> cases{sequence_of(1, 2), sequence_of(1, 3), {}};
  oracle::put_cases(header, cases);
  const auto back = oracle::cases_of(header);
  ASSERT_TRUE(back.has_value()) << back.error().message;
  ASSERT_EQ(back->size(), 3U);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ((*back)[i].operations, cases[i].operations);
    EXPECT_EQ((*back)[i].ends.teardown, cases[i].ends.teardown);
    EXPECT_EQ((*back)[i].ends.whole_space, cases[i].ends.whole_space);
  }
  EXPECT_TRUE(oracle::cases_of(trace::Header{})->empty());
  for (const char* bad : {"x", "1:zz", "1:1,,2", ":1", "1:1;;", "99999999999999999999:1"}) {
    (*header.about)["cases"] = bad;
    EXPECT_FALSE(oracle::cases_of(header).has_value()) << bad;
  }
  (*header.about)["cases"] = "0:1";
  (*header.about)["operations"] = "2";
  EXPECT_TRUE(oracle::cases_of(header).has_value()) << "an earlier codec";
  (*header.about)["operations"] = "99";
  EXPECT_FALSE(oracle::cases_of(header).has_value());
}

}  // namespace
}  // namespace iommucheck::test::check_worker_test
