// SPDX-License-Identifier: MIT
// What a run says of rules that a driver has no calls for, and of what was judged.
#include "check/claims.h"

#include <gtest/gtest.h>

#include "check/check.h"
#include "impl/driver.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "spec/rules/protocol.h"
#include "tests/check/lockstep_support.h"

namespace iommucheck::test::claims_test {
namespace {

using oracle::Abilities;
using oracle::RuleCount;
using oracle::RuleVerdict;
using spec::Rule;
namespace rule = spec::rule;

Abilities of(const iommucheck_driver& driver) { return oracle::Lockstep(driver, {}).abilities(); }

/// Ours without what is about PASIDs and processes.
iommucheck_driver plain_driver() {
  iommucheck_driver driver = *impl::builtin_driver();
  driver.bind_device = nullptr;
  driver.bind_task = nullptr;
  driver.sva_alloc_pasid = nullptr;
  driver.pasid_alloc = nullptr;
  driver.mm_release = nullptr;
  return driver;
}

TEST(Claims, NoSuchCallIsToldFromNotReached) {
  std::vector<RuleCount> counts;
  for (const Rule rule : {rule::PASID_REUSE, rule::EXIT_WAITS, rule::QUEUE_CONS_RANGE}) {
    counts.push_back({.rule = rule, .why = "not reached"});
  }
  const std::vector<RuleCount> before = counts;
  oracle::tell_missing_calls(counts, of(*impl::builtin_driver()));
  for (std::size_t i = 0; i < counts.size(); ++i) {
    EXPECT_EQ(counts[i].verdict, RuleVerdict::not_exercised);
    EXPECT_EQ(counts[i].why, before[i].why);
  }
  oracle::tell_missing_calls(counts, of(plain_driver()));
  EXPECT_EQ(counts[0].verdict, RuleVerdict::not_claimed);
  EXPECT_EQ(counts[1].verdict, RuleVerdict::not_claimed);
  EXPECT_EQ(counts[1].why, "the driver has no mm_release");
  EXPECT_EQ(counts[2].verdict, RuleVerdict::not_exercised) << "it handles interrupts";
}

TEST(Claims, WhatHoldsOrIsBrokenStaysSo) {
  std::vector<RuleCount> counts = {
      {.rule = rule::EXIT_WAITS, .verdict = RuleVerdict::broken, .why = {}},
      {.rule = rule::PASID_REUSE, .verdict = RuleVerdict::holds, .why = {}}};
  oracle::tell_missing_calls(counts, 0);
  EXPECT_EQ(counts[0].verdict, RuleVerdict::broken);
  EXPECT_EQ(counts[1].verdict, RuleVerdict::holds);
}

TEST(Claims, TheScopeIsWhatBothSidesHave) {
  const auto text = [](const iommucheck_driver& driver, const std::string& machine) {
    return oracle::scope_text(of(driver), std::vector{*oracle::parse_machine(machine)});
  };
  EXPECT_EQ(text(*impl::builtin_driver(), "default"), "stage 1, PASIDs, ATS, stalls, exits");
  EXPECT_EQ(text(plain_driver(), "default"), "stage 1, PASIDs, ATS, no stalls")
      << "domains at PASIDs, and no process";
  iommucheck_driver none = plain_driver();
  none.attach_pasid = nullptr;
  EXPECT_EQ(text(none, "default"), "stage 1, no PASID, ATS, no stalls");
  EXPECT_EQ(text(*impl::builtin_driver(), "devices=1:0/2:0:ats"),
            "stage 1, no PASID, ATS, no stalls");
  EXPECT_EQ(text(*impl::builtin_driver(), "ats=0,ssidsize=0"),
            "stage 1, no PASID, no ATS, no stalls");
}

TEST(Claims, DomainsThatNoDeviceCanBeOnAreNoVerdict) {
  iommucheck_driver driver = *impl::builtin_driver();
  const auto why = [&](std::initializer_list<oracle::Claim> not_claimed) {
    oracle::NotClaimed all;
    for (const oracle::Claim claim : not_claimed) all.add(claim);
    return oracle::not_looked_at({}, of(driver), all);
  };
  EXPECT_TRUE(why({}).empty());
  driver.attach = nullptr;
  ASSERT_EQ(why({}).size(), 1U);
  EXPECT_TRUE(why({})[0].starts_with("the driver has domain_alloc and no attach"));
  EXPECT_TRUE(why({oracle::Claim::structures}).empty());
  EXPECT_TRUE(why({oracle::Claim::domains}).empty());
  driver.domain_alloc = nullptr;
  EXPECT_TRUE(why({}).empty()) << "it says that it brings an SMMU up";
}

TEST(Claims, UndeterminedIsNoVerdictWhereThatIsAsked) {
  oracle::CheckResult result;
  result.sequences = result.outcomes_judged = 1;
  result.rules = {{.rule = rule::PAGE_REUSE, .verdict = RuleVerdict::holds, .why = {}},
                  {.rule = rule::WILD_WALK, .verdict = RuleVerdict::undetermined, .why = {}}};
  oracle::CheckOptions options;
  EXPECT_EQ(oracle::end_of(options, result).verdict(), oracle::Verdict::held);
  options.strict = true;
  EXPECT_EQ(oracle::end_of(options, result).verdict(), oracle::Verdict::undecided);
  // What is known to be broken is not open.
  result.known = {
      {.entry =
           {.id = "w", .rule = "WILD_WALK", .kind = "*", .section = {}, .why = "so", .correct = {}},
       .times = 1}};
  EXPECT_EQ(oracle::end_of(options, result).verdict(), oracle::Verdict::held);
}

}  // namespace
}  // namespace iommucheck::test::claims_test
