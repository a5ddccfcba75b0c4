// SPDX-License-Identifier: MIT
// What is not claimed is not asked, and all the rest is: for each claim a driver that breaks it and
// nothing else, found where it is claimed and left alone where it is not.
#include "monitor/not_claimed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "check/alone.h"
#include "check/check.h"
#include "check/claims.h"
#include "monitor/replay.h"
#include "report/finding_text.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "spec/rules/protocol.h"
#include "tests/check/lockstep_support.h"
#include "tests/places.h"

namespace iommucheck::test::not_claimed_test {
namespace {

using oracle::CheckOptions;
using oracle::CheckResult;
using oracle::Claim;
using oracle::NotClaimed;
using oracle::RuleVerdict;
using spec::Rule;
namespace rule = spec::rule;
using ::testing::HasSubstr;

CheckResult check(const std::string& plugin, const std::string& not_claimed) {
  CheckOptions options;
  options.driver = test::in_build("test-plugins/claims_") + plugin + ".so";
  if (plugin == "groups") options.machine = "drawn";  // which has them
  options.sequences = 3000;
  options.shrink = false;
  options.claims = *oracle::parse_claims(not_claimed);
  auto result = oracle::run_check(options);
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

class EachClaim : public ::testing::TestWithParam<Claim> {};

std::string plugin_of(Claim claim) {
  std::string name(oracle::claim_info(claim).name);
  std::ranges::replace(name, '-', '_');
  return name;
}

TEST_P(EachClaim, IsBrokenWhereItIsMade) {
  // A driver that takes devices for themselves is asked about groups by who insists alone.
  const bool insists = GetParam() == Claim::groups;
  const CheckResult result = check(plugin_of(GetParam()), insists ? "nothing" : "");
  ASSERT_EQ(result.findings.size(), 1U);
  const auto rules = oracle::claim_info(GetParam()).rules;
  EXPECT_NE(std::ranges::find(rules, result.findings.front().rule), rules.end())
      << headline(result.findings.front());
}

TEST_P(EachClaim, IsNotAskedWhereItIsNotMade) {
  const oracle::ClaimInfo& info = oracle::claim_info(GetParam());
  const CheckResult result = check(plugin_of(GetParam()), std::string(info.name));
  for (const auto& found : result.findings) ADD_FAILURE() << headline(found);
  EXPECT_EQ(result.sequences, 3000U);
  EXPECT_THAT(result.scope, HasSubstr(info.scope));
  EXPECT_EQ(result.not_claimed.text(), info.name);
  for (const oracle::RuleCount& count : result.rules) {
    const bool its = info.whole && std::ranges::find(info.rules, count.rule) != info.rules.end();
    if (its && !info.judged) {
      EXPECT_EQ(count.verdict, RuleVerdict::not_claimed);
    }
    if (its) {
      EXPECT_NE(count.verdict, RuleVerdict::not_exercised);
    }
  }
}

TEST_P(EachClaim, LeavesAllElseToBeFound) {
  if (GetParam() == Claim::domains) GTEST_SKIP() << "it leaves no unmap to be wrong";
  const auto forgetful = check("domains", std::string(oracle::claim_info(GetParam()).name));
  ASSERT_EQ(forgetful.findings.size(), 1U);
  EXPECT_EQ(forgetful.findings.front().rule, rule::PAGE_REUSE);
}

std::vector<Claim> claims_with_a_driver() {
  std::vector<Claim> claims;
  for (const oracle::ClaimInfo& info : oracle::all_claims()) {
    if (info.claim == Claim::stage_2) continue;     // no call makes one yet
    if (info.claim == Claim::interrupts) continue;  // below, of a driver that has any
    claims.push_back(info.claim);
  }
  return claims;
}
INSTANTIATE_TEST_SUITE_P(NotClaimed, EachClaim, ::testing::ValuesIn(claims_with_a_driver()),
                         [](const auto& its) { return plugin_of(its.param); });

TEST(NotClaimed, BringUpIsJudgedWithoutADomain) {
  for (const char* wrong : {"gbpa_never_set", "nobodys_streams_bypass"}) {
    CheckOptions options;
    options.driver = museum(wrong);
    options.sequences = 2000;
    options.shrink = false;
    options.claims = *oracle::parse_claims("domains");
    const auto result = oracle::run_check(options);
    ASSERT_TRUE(result.has_value());
    EXPECT_EQ(result->findings.size(), 1U) << wrong;
    EXPECT_EQ(result->calls, 0U) << "but init, reset, device_add and shutdown";
  }
}

TEST(NotClaimed, TheDriverSaysItAndTheRunHasTheLastWord) {
  const CheckResult its = check("says_ranges", "");
  EXPECT_TRUE(its.findings.empty());
  EXPECT_EQ(its.not_claimed.text(), "ranges");
  EXPECT_EQ(check("says_ranges", "time-outs").not_claimed.text(), "time-outs,ranges");
  EXPECT_EQ(check("says_ranges", "nothing").findings.size(), 1U);
}

/// A driver that takes devices for themselves shows it: one of a group is attached, and the other
/// is on no domain.
TEST(NotClaimed, AnswersShowThatDevicesAreTakenAlone) {
  const CheckResult its = check("groups", "");
  for (const auto& found : its.findings) ADD_FAILURE() << headline(found);
  EXPECT_EQ(its.not_claimed.text(), "groups");
  EXPECT_EQ(its.shown.text(), "groups");
  for (const auto& machine : its.machines) {
    EXPECT_EQ(machine.text.find("group="), std::string::npos) << machine.text;
  }
  const auto lines = oracle::not_claimed_lines(its.not_claimed, its.shown);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_THAT(lines.front(), HasSubstr("as the driver's answers show: groups"));
  // Who names a group asks all the same.
  CheckOptions options;
  options.driver = test::in_build("test-plugins/claims_groups.so");
  options.machine = "devices=1:0:group=1/2:0:group=1/4:3";
  options.sequences = 3000;
  options.shrink = false;
  const auto named = oracle::run_check(options);
  ASSERT_TRUE(named.has_value());
  EXPECT_EQ(named->findings.size(), 1U);
  EXPECT_TRUE(named->shown.empty());
  // One that moves a group together, and forgets the others' STEs, is found where it is drawn.
  options.driver = museum("group_left_behind");
  options.machine = "drawn";
  const auto wrong = oracle::run_check(options);
  ASSERT_TRUE(wrong.has_value());
  EXPECT_EQ(wrong->findings.size(), 1U);
  EXPECT_TRUE(wrong->shown.empty());
}

/// A record that no interrupt tells of is met by the next look of whoever looks from time to time.
TEST(NotClaimed, WhoPollsMayLeaveARecord) {
  CheckOptions options;
  options.driver = museum("event_left_without_interrupt");
  options.sequences = 1500;
  options.shrink = false;
  const auto told = oracle::run_check(options);
  ASSERT_TRUE(told.has_value());
  ASSERT_EQ(told->findings.size(), 1U);
  EXPECT_EQ(told->findings.front().rule, rule::EVENT_LEFT);
  options.claims = *oracle::parse_claims("interrupts");
  const auto polled = oracle::run_check(options);
  ASSERT_TRUE(polled.has_value());
  for (const auto& found : polled->findings) ADD_FAILURE() << headline(found);
  EXPECT_THAT(polled->scope, HasSubstr("events are polled"));
}

/// Nobody is asked what is after a shutdown that is not there; and one of whom only what is
/// attached is asked may let everything pass behind it.
TEST(NotClaimed, WhatPassesBehindAShutdown) {
  const CheckResult none = check("stays_on", "blocking");
  for (const auto& found : none.findings) ADD_FAILURE() << headline(found);
  CheckOptions options;
  options.driver = museum("gbpa_cleared_at_shutdown");
  options.sequences = 300;
  options.shrink = false;
  const auto asked = oracle::run_check(options);
  ASSERT_TRUE(asked.has_value());
  ASSERT_EQ(asked->findings.size(), 1U);
  options.claims = *oracle::parse_claims("blocking");
  const auto passes = oracle::run_check(options);
  ASSERT_TRUE(passes.has_value());
  for (const auto& found : passes->findings) ADD_FAILURE() << headline(found);
}

/// What is attached is contained, whatever passes without.
TEST(NotClaimed, StreamsThatPassAreNoExcuseForThoseThatAreAttached) {
  CheckOptions options;
  options.driver = test::in_build("test-plugins/claims_all_pass.so");
  options.sequences = 1500;
  options.shrink = false;
  options.claims = *oracle::parse_claims("blocking");
  const auto result = oracle::run_check(options);
  ASSERT_TRUE(result.has_value());
  ASSERT_EQ(result->findings.size(), 1U);
  const Rule rule = result->findings.front().rule;  // the second where it comes from another domain
  EXPECT_TRUE(rule == rule::PROMISE_OUTCOME || rule == rule::PROMISE_TRANSIENT)
      << headline(result->findings.front());
}

/// What a trace was judged by stands in it: its replays say the same.
TEST(NotClaimed, ATraceKeepsIt) {
  const std::string folder =
      (std::filesystem::temp_directory_path() / ("iommucheck-claims-" + std::to_string(::getpid())))
          .string();
  CheckOptions options;
  options.driver = museum("map_failure_not_unrolled");
  options.sequences = 3000;
  options.claims = *oracle::parse_claims("memory-type,moves");
  options.out_directory = folder;
  const auto result = oracle::run_check(options);
  ASSERT_TRUE(result.has_value());
  ASSERT_EQ(result->findings.size(), 1U);
  oracle::ReplayOptions again;
  again.trace = result->findings.front().trace_path;
  const auto replayed = oracle::run_replay(again);
  ASSERT_TRUE(replayed.has_value());
  ASSERT_FALSE(replayed->findings.empty());
  EXPECT_EQ(replayed->findings.front().rule, result->findings.front().rule);
  const auto cases = oracle::run_cases_of(again.trace, options);
  ASSERT_TRUE(cases.has_value()) << cases.error().message;
  ASSERT_TRUE(cases->end.broken.has_value());
  EXPECT_EQ(cases->end.broken->rule, result->findings.front().rule);
  std::filesystem::remove_all(folder);
}

TEST(NotClaimed, NamesAreReadBack) {
  for (u64 bits = 0; bits < u64{1} << static_cast<unsigned>(Claim::count); ++bits) {
    const NotClaimed set = NotClaimed::of_bits(bits);
    EXPECT_EQ(NotClaimed::parse(set.text())->bits(), bits);
  }
  const auto unknown = oracle::parse_claims("ranges,everything");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_THAT(unknown.error().message, HasSubstr("everything"));
  EXPECT_THAT(unknown.error().message, HasSubstr("time-outs"));
}

TEST(NotClaimed, RulesOfSomebodyElseAreNotTold) {
  const NotClaimed tables = *NotClaimed::parse("structures");
  EXPECT_TRUE(tables.leaves_out(rule::QUEUE_SLOT_ORDER));
  EXPECT_FALSE(tables.leaves_out(rule::PAGE_REUSE));
  EXPECT_FALSE(tables.leaves_out(rule::CRASH_NEVER));
  EXPECT_TRUE(NotClaimed::parse("stage-2")->leaves_out(rule::TAG_STAGE2));
  EXPECT_FALSE(NotClaimed().leaves_out(rule::TAG_STAGE2));
}

}  // namespace
}  // namespace iommucheck::test::not_claimed_test
