// SPDX-License-Identifier: MIT
// Dirty tracking in campaigns: the built-in driver and one in C keep it, on every machine that
// marks what devices write, and what is wrong with the one in C is found.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "check/check.h"
#include "report/finding_text.h"
#include "spec/rules/interface.h"
#include "tests/cases.h"
#include "tests/places.h"

namespace iommucheck::test::dirty_test {
namespace {

using oracle::CheckOptions;
using oracle::CheckResult;
namespace rule = spec::rule;
using ::testing::HasSubstr;

CheckResult check(const std::string& driver, const std::string& machine, u64 sequences, u64 seed) {
  CheckOptions options;
  options.driver = driver;
  options.machine = machine;
  options.sequences = sequences;
  options.seed = seed;
  options.shrink = false;
  auto result = oracle::run_check(options);
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

std::string plugin(const std::string& name) {
  return test::in_build("test-plugins/") + name + ".so";
}

TEST(Dirty, TheBuiltInDriverHolds) {
  for (const char* machine :
       {"httu=2", "httu=2,bbml=2,minor=3", "httu=2,s2p=1,s1p=0", "httu=2,cohacc=0",
        "httu=2,devices=1:4/2:4", "httu=2,devices=1:4:ats/2:4:ats"}) {
    const CheckResult result = check("builtin", machine, 1000, 7);
    EXPECT_TRUE(result.findings.empty()) << machine << ": " << headline(result.findings[0]);
    EXPECT_EQ(result.unmodelled, 0U) << machine;
  }
}

TEST(Dirty, ADriverInCHolds) {
  for (const char* machine : {"httu=2", "httu=2,ats=0,ril=0", "httu=1", "httu=0"}) {
    const CheckResult result = check(plugin("dirty"), machine, test::cases(300, 1000), 3);
    EXPECT_TRUE(result.findings.empty()) << machine << ": " << headline(result.findings[0]);
  }
}

TEST(Dirty, WhatIsWrongIsFound) {
  for (const char* bug : {"no_tlbi", "no_sync", "later_pages"}) {
    const CheckResult result = check(plugin(std::string("dirty_") + bug), "httu=2", 8000, 5);
    ASSERT_FALSE(result.findings.empty()) << bug;
    EXPECT_EQ(result.findings[0].rule, rule::RESULT_EXACT) << bug;
    EXPECT_THAT(headline(result.findings[0]), HasSubstr("dirty_read")) << bug;
  }
}

}  // namespace
}  // namespace iommucheck::test::dirty_test
