// SPDX-License-Identifier: MIT
// A firmware's driver: it takes over an SMMU that is on, and splits blocks in one store. The right
// one holds, and of each mistake planted in it the first finding is what it is
// (tests/plugins/firmware_driver.c).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "check/check.h"
#include "report/finding_text.h"
#include "spec/rules/promises.h"
#include "spec/rules/protocol.h"
#include "tests/places.h"

namespace iommucheck::test::firmware_test {
namespace {

using oracle::CheckOptions;
using oracle::CheckResult;
using spec::Rule;
namespace rule = spec::rule;

CheckResult check(const std::string& driver, const std::string& machine, u64 sequences) {
  CheckOptions options;
  options.driver = test::in_build("test-plugins/") + driver + ".so";
  options.machine = machine;
  options.sequences = sequences;
  options.seed = 3;
  options.shrink = false;
  options.findings_max = 1;
  options.hang_seconds = 1;
  auto result = oracle::run_check(options);
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

void expect_to_hold(const std::string& driver, const std::string& machine, u64 sequences = 500) {
  const CheckResult result = check(driver, machine, sequences);
  std::string why;
  for (const auto& finding : result.findings) why += full_text(finding) + "\n";
  EXPECT_TRUE(result.findings.empty()) << driver << " on " << machine << ": " << why;
}

TEST(Firmware, Holds) {
  for (const char* machine : {"drawn", "bbml=2", "boot=dirty,cohacc=0"}) {
    expect_to_hold("firmware", machine);
  }
}

/// Ten tries of 10 us are more than an SMMU here takes for anything (driver.h, `wait`); three not.
TEST(Firmware, MayGiveUpByCount) {
  expect_to_hold("firmware_counts", "drawn", 300);
  EXPECT_EQ(check("firmware_counts_too_few", "drawn", 300).findings.size(), 1U);
}

/// Through a mapping that is not cached nothing needs cleaning, and attributes that no cache is
/// asked by are as good as others.
TEST(Firmware, WhatIsNotCachedNeedsNoClean) {
  for (const char* machine : {"drawn,cohacc=0", "boot=dirty,cohacc=0,bbml=2", "cohacc=1"}) {
    expect_to_hold("firmware_uncached", machine);
  }
}

/// What is cached does, beside what is not.
TEST(Firmware, WhatIsCachedNeedsOne) {
  expect_to_hold("firmware_uncached_at_boot", "cohacc=1");
  const CheckResult result = check("firmware_uncached_at_boot", "cohacc=0", 500);
  ASSERT_EQ(result.findings.size(), 1U);
  EXPECT_EQ(result.findings[0].rule, rule::WILD_STRUCTURE) << full_text(result.findings[0]);
}

struct Bug {
  u32 number;  // BUG=n there
  const char* machine;
  Rule rule;
  const char* words;  // that the finding has
};
constexpr Bug bugs[] = {
    {1, "default", rule::REGISTER_GBPA_UPDATE, "GBPA is written without Update = 1"},
    {2, "boot=dirty", rule::REGISTER_GUARDED, "its disabling is not acknowledged"},
    {3, "default", rule::UNKNOWN_AFTER_RESET, "no completed CFGI_ALL"},
    {4, "default", rule::UNKNOWN_AFTER_RESET, "CMDQ_CONS was neither written nor read"},
    // The zeros of the new table are met through the link, and of them no cache keeps anything.
    {5, "bbml=2", rule::PROMISE_UNDISTURBED, "may still read as 0x0"},
    {6, "bbml=2", rule::PROMISE_TRANSIENT, "rwx; promised"},
    {7, "bbml=0", rule::CONFLICT_BBM, "may both be alive"},
};

TEST(Firmware, WhatIsWrongIsFound) {
  for (const Bug& bug : bugs) {
    const CheckResult result = check(fmt::format("firmware_bug_{}", bug.number), bug.machine, 1000);
    ASSERT_EQ(result.findings.size(), 1U) << bug.number;
    EXPECT_EQ(result.findings[0].rule, bug.rule) << headline(result.findings[0]);
    EXPECT_THAT(full_text(result.findings[0]), ::testing::HasSubstr(bug.words)) << bug.number;
  }
}

}  // namespace
}  // namespace iommucheck::test::firmware_test
