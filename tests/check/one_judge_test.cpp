// SPDX-License-Identifier: MIT
// What a run says of drivers that deny everything by GBPA, and of those whose translation it cannot
// judge: neither an accusation nor a green light without having looked.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "check/check.h"
#include "report/finding_text.h"
#include "spec/rules/promises.h"
#include "tests/check/lockstep_support.h"
#include "tests/places.h"

namespace iommucheck::test::one_judge_test {
namespace {

using oracle::CheckOptions;
using oracle::CheckResult;
using oracle::Verdict;
using spec::Rule;
namespace rule = spec::rule;
using ::testing::HasSubstr;
using ::testing::Not;

struct Checked {
  CheckResult result;
  oracle::RunEnd end;
};

Checked check(const std::string& plugin, const std::string& machine,
              const std::string& not_claimed = "") {
  CheckOptions options;
  options.driver = test::in_build("test-plugins/") + plugin + ".so";
  options.machine = machine;
  options.sequences = 300;
  options.shrink = false;
  options.claims = *oracle::parse_claims(not_claimed);
  auto result = oracle::run_check(options);
  if (!result) throw std::runtime_error(result.error().message);
  oracle::RunEnd end = oracle::end_of(options, *result);
  return {std::move(*result), std::move(end)};
}

std::string why(const Checked& run) {
  std::string text;
  for (const std::string& line : run.end.why()) text += line + "\n";
  for (const auto& finding : run.result.findings) text += headline(finding) + "\n";
  return text;
}

TEST(DenyByGbpa, HoldsAfterAReset) {
  for (const char* entry : {"set_abort_all", "security_init", "init", "too_early"}) {
    const Checked run = check(std::string("deny_") + entry, "boot=clean", "domains");
    EXPECT_EQ(run.end.verdict(), Verdict::held) << entry << ": " << why(run);
    EXPECT_THAT(run.result.scope, HasSubstr("deny-all"));
  }
}

TEST(DenyByGbpa, HoldsWhereItEndsWhatTheFormerOwnerLeft) {
  for (const char* entry : {"set_abort_all", "init"}) {
    const Checked run = check(std::string("deny_") + entry, "boot=dirty", "domains");
    EXPECT_EQ(run.end.verdict(), Verdict::held) << entry << ": " << why(run);
  }
}

TEST(DenyByGbpa, IsFoundWhereItDoesNotDeny) {
  const Checked nothing = check("deny_none", "boot=clean", "domains");
  ASSERT_EQ(nothing.result.findings.size(), 1U);
  EXPECT_EQ(nothing.result.findings[0].rule, rule::PROMISE_OUTCOME);
  EXPECT_THAT(headline(nothing.result.findings[0]), HasSubstr("may pass untranslated"));
  // Cold boot is its precondition, and this is none.
  const Checked left_on = check("deny_security_init", "boot=dirty", "domains");
  ASSERT_EQ(left_on.result.findings.size(), 1U);
  EXPECT_EQ(left_on.result.findings[0].rule, rule::PROMISE_OUTCOME);
}

TEST(Stage2, HoldsAndSaysWhatWasJudged) {
  for (const char* machine : {"s2p=1", "s2p=1,oas=48,ril=0,vmid16=1", "s2p=1,stall=1"}) {
    const Checked run = check("stage2", machine);
    EXPECT_EQ(run.end.verdict(), Verdict::held) << machine << ": " << why(run);
    EXPECT_THAT(run.result.scope, ::testing::StartsWith("stage 2, "));
    EXPECT_EQ(run.result.unmodelled, 0U);
  }
}

/// An SMMU without stage 1: what the built-in driver does there, which museum entries s2_* break.
TEST(Stage2, TheBuiltInDriverHolds) {
  for (const char* machine : {"s2p=1,s1p=0", "s2p=1,s1p=0,ril=0,vmid16=1,oas=48"}) {
    CheckOptions options;
    options.driver = "builtin";
    options.machine = machine;
    options.sequences = 2000;
    const auto result = oracle::run_check(options);
    ASSERT_TRUE(result.has_value()) << result.error().message;
    EXPECT_TRUE(result->findings.empty()) << headline(result->findings[0]);
    EXPECT_THAT(result->scope, ::testing::StartsWith("stage 2, no PASID, ATS, no stalls"));
  }
}

/// What hypervisors get wrong: each is found, as what it is.
TEST(Stage2, WhatIsWrongIsFound) {
  constexpr std::pair<const char*, Rule> bugs[] = {
      {"wrong_vmid", rule::PAGE_REUSE},    {"stage1_tlbi", rule::PAGE_REUSE},
      {"no_sync", rule::PAGE_REUSE},       {"forgotten", rule::PAGE_REUSE},
      {"short_root", rule::WILD_WALK},     {"live_change", rule::TAG_STAGE2},
      {"vmid_reused", rule::TABLE_FREE},   {"not_ordered", rule::WILD_WALK},
      {"nested", rule::PROMISE_TRANSIENT},
  };
  for (const auto& [name, rule] : bugs) {
    const Checked run = check(std::string("stage2_") + name, "s2p=1");
    EXPECT_EQ(run.end.verdict(), Verdict::violated) << name << ": " << why(run);
    ASSERT_FALSE(run.result.findings.empty()) << name;
    EXPECT_EQ(run.result.findings[0].rule, rule) << name << ": " << why(run);
  }
}

TEST(Stage2, ATornSteIsFoundAllTheSame) {
  const Checked run = check("stage2_torn", "s2p=1");
  ASSERT_EQ(run.result.findings.size(), 1U) << why(run);
  EXPECT_EQ(run.result.findings[0].rule, rule::TORN_STE) << why(run);
}

/// Tables of 16 and 64 KiB, each of several pages of 4 KiB.
TEST(Granules, ADriverWithLargerTablesHolds) {
  for (const char* kib : {"16", "64"}) {
    for (const char* more : {"", ",ril=0", ",oas=48,stall=1"}) {
      const std::string machine = std::string("gran") + kib + "k=1" + more;
      const Checked run = check(std::string("granule") + kib, machine);
      EXPECT_EQ(run.end.verdict(), Verdict::held) << machine << ": " << why(run);
      EXPECT_EQ(run.result.unmodelled, 0U);
    }
  }
}

TEST(Granules, WhatIsWrongIsFound) {
  constexpr std::pair<const char*, Rule> bugs[] = {{"tg_4k", rule::PAGE_REUSE},
                                                   {"half", rule::PAGE_REUSE},
                                                   {"forgotten", rule::PAGE_REUSE},
                                                   {"no_sync", rule::PAGE_REUSE},
                                                   {"zero_4k", rule::WILD_WALK}};
  for (const char* kib : {"16", "64"}) {
    for (const auto& [name, rule] : bugs) {
      const Checked run =
          check(fmt::format("granule{}_{}", kib, name), fmt::format("gran{}k=1,ril=1", kib));
      EXPECT_EQ(run.end.verdict(), Verdict::violated) << name << ": " << why(run);
      ASSERT_FALSE(run.result.findings.empty()) << name;
      EXPECT_EQ(run.result.findings[0].rule, rule) << name << ": " << why(run);
    }
  }
}

TEST(NotBuilt, NoDomainIsNoVerdict) {
  const Checked run = check("claims_no_domain_alloc", "default");
  EXPECT_EQ(run.end.verdict(), Verdict::undecided) << why(run);
  EXPECT_THAT(why(run), HasSubstr("no domain was made: each of"));
  EXPECT_THAT(run.result.scope, HasSubstr("no domain"));
}

TEST(NotBuilt, ACallThatIsNeverBuiltIsNoVerdict) {
  const Checked run = check("claims_no_map", "default");
  EXPECT_EQ(run.end.verdict(), Verdict::undecided) << why(run);
  EXPECT_THAT(why(run),
              HasSubstr("calls of map that were not refused was answered with NOT_BUILT"));
}

/// Nor is one that is refused now and then, for its arguments, and else never built.
TEST(NotBuilt, ARefusalShowsNothingOfWhatIsBuilt) {
  const Checked run = check("claims_refuses_map", "default");
  EXPECT_EQ(run.end.verdict(), Verdict::undecided) << why(run);
  EXPECT_THAT(why(run),
              HasSubstr("calls of map that were not refused was answered with NOT_BUILT"));
}

/// A call that the driver has not got is sent by nobody, who takes every ASID neither.
TEST(NotBuilt, WhoeverFreesNoDomainIsNotAskedTo) {
  const Checked run = check("claims_no_domain_free", "default,asid16=0");
  EXPECT_EQ(run.end.verdict(), Verdict::held) << why(run);
}

/// Shareability and cacheability, of leaves and of MAIR.
TEST(MemoryAttributes, AreFound) {
  for (const char* wrong : {"leaf_not_shareable", "mair_not_cacheable"}) {
    CheckOptions options;
    options.driver = museum(wrong);
    options.sequences = 500;
    options.shrink = false;
    const auto result = oracle::run_check(options);
    ASSERT_TRUE(result.has_value());
    ASSERT_EQ(result->findings.size(), 1U) << wrong;
    EXPECT_THAT(headline(result->findings[0]), HasSubstr("Normal write-back, shareable")) << wrong;
    options.claims = *oracle::parse_claims("memory-type");
    const auto not_claimed = oracle::run_check(options);
    ASSERT_TRUE(not_claimed.has_value());
    EXPECT_TRUE(not_claimed->findings.empty()) << wrong;
  }
}

}  // namespace
}  // namespace iommucheck::test::one_judge_test
