// SPDX-License-Identifier: MIT
// "A rule holds only if it could have been broken": what a run says of each rule.
#include <gtest/gtest.h>

#include "monitor/rule_verdicts.h"

#include "spec/rules/interface.h"
#include "spec/rules/promises.h"

namespace iommucheck::oracle::rule_counts_test {
namespace {

using spec::Rule;

namespace rule = spec::rule;

constexpr spec::Capabilities one[1] = {};

RuleVerdict verdict_of(const RuleTally& tally, Rule rule) {
  for (const RuleCount& count : rule_counts(tally, one)) {
    if (count.rule == rule) return count.verdict;
  }
  ADD_FAILURE() << "the rule is not counted";
  return RuleVerdict::holds;
}

RuleTally tally_of(Rule rule, u64 asked, u64 discriminating, u64 broken, u64 unknown = 0) {
  RuleTally tally;
  const auto i = spec::number_of(rule);
  tally.asked[i] = asked;
  tally.discriminating[i] = discriminating;
  tally.broken[i] = broken;
  tally.order_unknown[i] = unknown;
  return tally;
}

TEST(RuleCounts, ARuleThatCouldNotHaveBeenBrokenIsNotExercised) {
  for (const Rule rule : {rule::PAGE_REUSE, rule::TABLE_FREE, rule::FAULT_ENDED}) {
    EXPECT_EQ(verdict_of({}, rule), RuleVerdict::not_exercised);
    EXPECT_EQ(verdict_of(tally_of(rule, 5, 0, 0), rule), RuleVerdict::not_exercised);
    EXPECT_EQ(verdict_of(tally_of(rule, 5, 1, 0), rule), RuleVerdict::holds);
    EXPECT_EQ(verdict_of(tally_of(rule, 5, 5, 1), rule), RuleVerdict::broken);
    EXPECT_EQ(verdict_of(tally_of(rule, 1, 0, 1), rule), RuleVerdict::broken);
    EXPECT_EQ(verdict_of(tally_of(rule, 5, 5, 0, 1), rule), RuleVerdict::undetermined);
  }
}

// Those that only broken the rule asked are no evidence that it holds elsewhere.
TEST(RuleCounts, WhatWasBrokenIsNotKept) {
  const RuleTally tally = tally_of(rule::PAGE_REUSE, 5, 5, 2);
  for (const RuleCount& count : rule_counts(tally, one)) {
    if (count.rule != rule::PAGE_REUSE) continue;
    EXPECT_EQ(count.kept, 3U);
    EXPECT_EQ(count.discriminating, 3U);
    EXPECT_EQ(count.broken, 2U);
  }
}

TEST(RuleCounts, TheDriverAnswersForItsOwnRulesOnly) {
  for (const RuleCount& count : rule_counts({}, one)) {
    EXPECT_EQ(spec::rule_info(count.rule).keeper, spec::Keeper::driver);
  }
}

}  // namespace
}  // namespace iommucheck::oracle::rule_counts_test
