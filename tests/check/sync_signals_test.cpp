// SPDX-License-Identifier: MIT
// Drivers that learn otherwise than by CMDQ_CONS that a CMD_SYNC is complete. By message (IDR0.MSI
// = 1): right ones, whether their loads are told or not, and wrong ones
// (tests/plugins/message_driver.c). By interrupt (CS = SIG_IRQ): right ones, with and without a
// look at CMDQ_CONS behind it, and wrong ones (tests/plugins/interrupt_driver.c).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "check/check.h"
#include "report/finding_text.h"
#include "spec/rules/promises.h"
#include "tests/cases.h"
#include "tests/places.h"

namespace iommucheck::test::sync_signals_test {
namespace {

using oracle::CheckOptions;
using oracle::CheckResult;
using spec::Rule;
namespace rule = spec::rule;

CheckResult check(const std::string& driver, const std::string& machine) {
  CheckOptions options;
  options.driver = driver == "builtin" ? driver : test::in_build("test-plugins/") + driver + ".so";
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

// ---- messages -----------------------------------------------------------------------------------

TEST(SyncMessages, AreCompletion) {
  for (const char* driver : {"message", "message_looks_at_the_window", "builtin"}) {
    for (const char* machine : {"msi=1", "msi=1,cmdqs=3,cmdq=3", "msi=1,ats=0,httu=2"}) {
      const CheckResult result = check(driver, machine);
      EXPECT_TRUE(result.findings.empty()) << driver << " on " << machine << ": " << why(result);
      EXPECT_EQ(result.sequences, test::cases(400, 4000));
    }
  }
}

/// The value that the message before it left proves nothing.
TEST(SyncMessages, ThatSomethingElseWroteProveNothing) {
  EXPECT_THAT(broken(check("message_stale", "msi=1")), ::testing::Contains(rule::PAGE_REUSE));
}

TEST(SyncMessages, ThatNobodyLooksForProveNothing) {
  EXPECT_THAT(broken(check("message_not_waited", "msi=1")), ::testing::Contains(rule::PAGE_REUSE));
}

/// Nothing comes, or it is overwritten when it has come.
TEST(SyncMessages, ThatDoNotComeAreWaitedForInVain) {
  for (const char* driver : {"message_no_signal", "message_cleared_late"}) {
    const CheckResult result = check(driver, "msi=1");
    EXPECT_FALSE(result.findings.empty()) << driver;
  }
}

// ---- interrupts ---------------------------------------------------------------------------------

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
}  // namespace iommucheck::test::sync_signals_test
