// SPDX-License-Identifier: MIT
// Drivers that write through plain pointers, right and wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "check/check.h"
#include "monitor/replay.h"
#include "report/finding_text.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "spec/rules/protocol.h"
#include "tests/places.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle::plugin_scan_test {
namespace {

using spec::Rule;

namespace rule = spec::rule;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

std::string plugin(const std::string& name) {
  return test::in_build("test-plugins/faulty_") + name + ".so";
}

CheckOptions options_for(const std::string& driver) {
  CheckOptions options;
  options.driver = driver;
  options.sequences = 1500;
  options.out_directory =
      (std::filesystem::temp_directory_path() / ("iommucheck-scan-" + std::to_string(::getpid())))
          .string();
  return options;
}

CheckResult check(const CheckOptions& options) {
  auto result = run_check(options);
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

const RuleCount& count_of(const CheckResult& result, Rule rule) {
  for (const RuleCount& count : result.rules) {
    if (count.rule == rule) return count;
  }
  throw std::runtime_error("no such rule");
}

TEST(PluginScan, ARightDriverIsClean) {
  const CheckResult result = check(options_for(plugin("scan_none")));
  EXPECT_TRUE(result.findings.empty()) << headline(result.findings.front());
  EXPECT_EQ(result.sequences, 1500U);
  for (const Rule rule : {rule::PAGE_REUSE, rule::TABLE_FREE, rule::WILD_WALK,
                          rule::QUEUE_SLOT_ORDER, rule::PROMISE_OUTCOME, rule::STATE_RETURNS}) {
    EXPECT_EQ(count_of(result, rule).verdict, RuleVerdict::holds) << spec::rule_name(rule);
  }
}

void expect_found(const std::string& name, Rule rule) {
  const CheckOptions options = options_for(plugin(name));
  const CheckResult result = check(options);
  ASSERT_EQ(result.findings.size(), 1U) << name;
  const Violation& found = result.findings.front();
  EXPECT_EQ(found.rule, rule) << headline(found);
  EXPECT_LE(found.operations.size(), 4U);
  EXPECT_THAT(evidence(found), Not(Contains(HasSubstr("the trace alone does not show it"))));
  const auto trace = trace::read_trace(found.trace_path);
  ASSERT_TRUE(trace.has_value()) << trace.error().message;
  std::size_t swept = 0;
  for (const trace::Event& event : trace->events) {
    const auto* store = std::get_if<trace::Store>(&event.payload);
    if (store != nullptr && store->swept.value_or(false)) ++swept;
  }
  EXPECT_GT(swept, 100U);
  const ReplayResult again = replay_trace(*trace);
  ASSERT_FALSE(again.findings.empty());
  EXPECT_EQ(again.findings.front().rule, rule);
  std::filesystem::remove_all(options.out_directory);
}

TEST(PluginScan, AForgottenInvalidationIsFound) { expect_found("scan_buggy", rule::PAGE_REUSE); }
TEST(PluginScan, ATableFreedEarlyIsFound) { expect_found("scan_early", rule::TABLE_FREE); }

/// Where each store is seen a missing barrier is a breach; where they are found together it may
/// have been there.
TEST(PluginScan, WhatNeedsTheOrderIsUndetermined) {
  const CheckResult precise = check(options_for(plugin("forget_order")));
  ASSERT_EQ(precise.findings.size(), 1U);
  EXPECT_EQ(precise.findings.front().rule, rule::WILD_WALK) << headline(precise.findings.front());
  const CheckResult scan = check(options_for(plugin("scan_forget_order")));
  EXPECT_TRUE(scan.findings.empty()) << headline(scan.findings.front());
  const RuleCount& count = count_of(scan, rule::WILD_WALK);
  EXPECT_EQ(count.verdict, RuleVerdict::undetermined);
  EXPECT_THAT(count.why, HasSubstr("order of stores found together"));
  std::filesystem::remove_all(options_for("").out_directory);
}

TEST(PluginScan, TheOptionAsksForItAsTheFlagDoes) {
  // It tells each store, and memory is compared besides: nothing is left to find.
  CheckOptions options = options_for(plugin("none"));
  options.precision = Precision::scan;
  options.sequences = 200;
  const CheckResult told = check(options);
  EXPECT_TRUE(told.findings.empty()) << headline(told.findings.front());
  options.driver = "builtin";
  EXPECT_FALSE(run_check(options).has_value());
}

TEST(PluginScan, ACrashIsAFindingToo) {
  const CheckOptions options = options_for(plugin("scan_crash"));
  const CheckResult result = check(options);
  ASSERT_EQ(result.findings.size(), 1U);
  EXPECT_EQ(result.findings.front().rule, rule::CRASH_NEVER);
  std::filesystem::remove_all(options.out_directory);
}

}  // namespace
}  // namespace iommucheck::oracle::plugin_scan_test
