// SPDX-License-Identifier: MIT
// Drivers that learn by interrupt that a CMD_SYNC is complete (CS = SIG_IRQ): right ones, with and
// without a look at CMDQ_CONS behind it, and wrong ones (tests/plugins/interrupt_driver.c).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "check/check.h"
#include "report/finding_text.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "tests/cases.h"
#include "tests/places.h"

namespace iommucheck::test::sync_interrupt_test {
namespace {

using oracle::CheckOptions;
using oracle::CheckResult;
using spec::Rule;
namespace rule = spec::rule;

CheckResult check(const std::string& driver, const std::string& machine) {
  CheckOptions options;
  options.driver = test::in_build("test-plugins/") + driver + ".so";
  options.machine = machine;
  options.sequences = test::cases(400, 4000);
  options.seed = 7;
  options.shrink = false;
  options.findings_max = 6;
  auto result = oracle::run_check(options);
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

std::string why(const CheckResult& result) {
  std::string text;
  for (const auto& finding : result.findings) text += headline(finding) + "\n";
  return text;
}

std::vector<Rule> broken(const CheckResult& result) {
  std::vector<Rule> rules;
  for (const auto& finding : result.findings) rules.push_back(finding.rule);
  return rules;
}

TEST(SyncInterrupts, AreCompletion) {
  for (const char* driver : {"interrupt", "interrupt_looks_again"}) {
    for (const char* machine : {"default", "msi=1", "cmdqs=3,cmdq=3"}) {
      const CheckResult result = check(driver, machine);
      EXPECT_TRUE(result.findings.empty()) << driver << " on " << machine << ": " << why(result);
      EXPECT_EQ(result.sequences, test::cases(400, 4000));
    }
  }
}

/// That of a CMD_SYNC whose completion was seen by CMDQ_CONS, or for which nobody waits any more,
/// says nothing of the next one.
TEST(SyncInterrupts, ThatComeLateProveNothing) {
  EXPECT_THAT(broken(check("interrupt_late_one", "default")),
              ::testing::Contains(rule::PAGE_REUSE));
  EXPECT_FALSE(check("interrupt_forgets", "default").findings.empty());
}

TEST(SyncInterrupts, ThatNobodyWaitsForProveNothing) {
  EXPECT_THAT(broken(check("interrupt_not_waited", "default")),
              ::testing::Contains(rule::PAGE_REUSE));
}

TEST(SyncInterrupts, ThatNobodyAskedForDoNotCome) {
  EXPECT_FALSE(check("interrupt_no_signal", "default").findings.empty());
}

}  // namespace
}  // namespace iommucheck::test::sync_interrupt_test
