// SPDX-License-Identifier: MIT
// Real errata as profiles (data/profiles): of each a driver with the workaround holds, and one
// without it is found at once; and the choices of profiles, where drivers meet them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "check/check.h"
#include "check/profile_file.h"
#include "monitor/trace_setup.h"
#include "report/finding_text.h"
#include "spec/rules/promises.h"
#include "spec/rules/protocol.h"
#include "tests/check/lockstep_support.h"
#include "tests/places.h"
#include "trace/trace_file.h"

namespace iommucheck::test::errata_test {
namespace {

using oracle::CheckOptions;
using oracle::CheckResult;
using spec::Rule;
using ::testing::HasSubstr;
namespace rule = spec::rule;

constexpr const char* thunderx2 = "cavium-thunderx2";  // 74
constexpr const char* hip06 = "hisilicon-hip06";       // 161010701

std::string keys_of(const std::string& profile) {
  const auto file = oracle::read_profile(test::in_tree("data/profiles/") + profile + ".json");
  if (!file) throw std::runtime_error(file.error().message);
  return file->machine;
}

CheckOptions options_of(const std::string& driver, const std::string& machine, u64 sequences) {
  CheckOptions options;
  options.driver = driver;
  options.machine = machine;
  options.sequences = sequences;
  options.seed = 1;
  options.shrink = false;
  options.findings_max = 1;
  return options;
}

CheckResult check(const std::string& driver, const std::string& machine, u64 sequences) {
  auto result = oracle::run_check(
      options_of(test::in_build("test-plugins/") + driver + ".so", machine, sequences));
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

void expect_holds(const std::string& driver, const std::string& machine, u64 sequences = 3000) {
  const CheckResult result = check(driver, machine, sequences);
  EXPECT_TRUE(result.findings.empty())
      << driver << " on " << machine << ": " << headline(result.findings.front());
  EXPECT_GT(result.sequences, sequences / 2);
}

void expect_found(const std::string& driver, const std::string& machine, Rule broken,
                  const char* words) {
  const CheckResult result = check(driver, machine, 2000);
  ASSERT_EQ(result.findings.size(), 1U) << driver << " on " << machine;
  EXPECT_EQ(result.findings.front().rule, broken) << headline(result.findings.front());
  EXPECT_THAT(full_text(result.findings.front()), HasSubstr(words));
}

TEST(Errata, TheSecondPageOfThunderX2) {
  const std::string machine = "drawn," + keys_of(thunderx2);
  expect_holds("errata_page0", machine);
  expect_found("errata", machine, rule::REGISTER_PAGE0_ALIAS, "which is not there (page1=absent)");
  // By the architecture it is the other one that is right.
  expect_holds("errata", "drawn", 1000);
  expect_found("errata_page0", "drawn", rule::REGISTER_PAGE0_ALIAS, "accessed at 0xa8 and not at");
}

TEST(Errata, ThePrefetchOfHip06) {
  const std::string machine = "drawn," + keys_of(hip06);
  expect_holds("errata", machine);
  expect_found("errata_prefetches", machine, rule::QUEUE_COMMAND_ILLEGAL, "PREFETCH_CONFIG sid=");
  expect_holds("errata_prefetches", "drawn", 1000);
}

/// What a workaround is about is all that it excuses.
TEST(Errata, OtherMistakesAreFoundAllTheSame) {
  for (const char* profile : {thunderx2, hip06}) {
    const std::string machine = "drawn," + keys_of(profile);
    CheckOptions options =
        options_of(test::in_build("test-plugins/errata_forgets.so"), machine, 2000);
    options.findings_max = 5;
    const auto result = oracle::run_check(options);
    ASSERT_TRUE(result) << result.error().message;
    const auto is_reuse = [](const auto& found) { return found.rule == rule::PAGE_REUSE; };
    EXPECT_TRUE(std::ranges::any_of(result->findings, is_reuse)) << profile;
  }
}

/// A trace says what its machine states: it is judged by that again.
TEST(Errata, TheTraceHasTheProfile) {
  const auto folder =
      std::filesystem::temp_directory_path() / ("errata_test." + std::to_string(::getpid()));
  CheckOptions options = options_of(test::in_build("test-plugins/errata_prefetches.so"),
                                    keys_of(hip06) + ",walk-cache=none", 200);
  options.out_directory = folder;
  const auto result = oracle::run_check(options);
  ASSERT_TRUE(result) << result.error().message;
  ASSERT_EQ(result->findings.size(), 1U);
  const auto trace = trace::read_trace(result->findings.front().trace_path);
  ASSERT_TRUE(trace) << trace.error().message;
  ASSERT_TRUE(trace->header.profile);
  const oracle::Setup setup = oracle::setup_of(trace->header);
  EXPECT_FALSE(setup.profile.knows_prefetch);
  EXPECT_FALSE(setup.profile.caches_walks);
  EXPECT_TRUE(setup.profile.caches_leaves);
  std::filesystem::remove_all(folder);
}

/// unmap without a TLBI: only an SMMU without a TLB forgives it.
TEST(ProfileChoices, AnUnmapWithoutTlbiNeedsThatThereIsNoTlb) {
  for (const char* lacks : {"walk-cache=none", "config-cache=none", "combined-entries=none",
                            "reset-caches=empty", "config-atom=16", "gbpa-reset=abort"}) {
    expect_found("errata_forgets", std::string("default,") + lacks, rule::PAGE_REUSE,
                 "a cached translation");
  }
  expect_holds("errata_forgets", "default,tlb=none");
}

/// A driver that leaves the SMMU off needs GBPA.ABORT, which some have after reset.
TEST(ProfileChoices, WhoNeverWritesGbpaNeedsThatItAborts) {
  expect_found("deny_none", "default", rule::PROMISE_OUTCOME, "may pass untranslated");
  expect_found("deny_none", "default,gbpa-reset=bypass", rule::PROMISE_OUTCOME,
               "may pass untranslated");
  EXPECT_TRUE(check("deny_none", "default,gbpa-reset=abort", 500).findings.empty());
}

TEST(ProfileChoices, IndicesInPage0NeedTheAlias) {
  expect_holds("errata_page0", "default,page0-indices=alias", 1000);
  expect_holds("errata", "default,page0-indices=alias", 1000);
  expect_found("errata_page0", "default,page0-indices=raz-wi", rule::REGISTER_PAGE0_ALIAS,
               "accessed at 0xa8");
}

/// What the built-in driver sends is enough for less, too.
TEST(ProfileChoices, TheBuiltinDriverHoldsWithFewerCaches) {
  for (const char* lacks :
       {"drawn,tlb=none,walk-cache=none,config-cache=none,reset-caches=empty",
        "drawn,walk-cache=none,config-atom=16", "drawn,config-cache=none", "drawn,tlb=none",
        "drawn,s2p=1,combined-entries=none,gbpa-reset=abort,page0-indices=alias"}) {
    auto result = oracle::run_check(options_of("builtin", lacks, 800));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_TRUE(result->findings.empty()) << lacks << ": " << headline(result->findings.front());
  }
}

/// TLBI_S2_IPA alone behind an unmap of a parent.
TEST(ProfileChoices, StageTwoAloneNeedsThatNothingIsCombined) {
  auto options = options_of(museum("user_combined_entries_left"), "s2p=1", 6000);
  auto result = oracle::run_check(options);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_EQ(result->findings.size(), 1U);
  options.machine += ",combined-entries=none";
  options.sequences = 3000;
  result = oracle::run_check(options);
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(result->findings.empty()) << headline(result->findings.front());
}

}  // namespace
}  // namespace iommucheck::test::errata_test
