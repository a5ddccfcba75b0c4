// SPDX-License-Identifier: MIT
// What CPUs broadcast (IHI 0070 3.17), for an SMMU with IDR0.BTM = 1: a driver that has its own
// domains invalidated so (tests/plugins/broadcast_driver.c), and one that relies on what the CPUs
// do for processes by themselves, with a mistake each.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "check/check.h"
#include "report/finding_text.h"
#include "tests/cases.h"
#include "tests/places.h"

namespace iommucheck::test::broadcasts_test {
namespace {

using oracle::CheckOptions;
using oracle::CheckResult;

CheckResult check(const std::string& driver, const std::string& machine, u64 seed = 5) {
  CheckOptions options;
  options.driver = driver == "builtin" ? driver : in_build("test-plugins/") + driver + ".so";
  options.machine = machine;
  options.sequences = cases(600, 6000);
  options.seed = seed;
  options.shrink = false;
  auto result = oracle::run_check(options);
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

TEST(Broadcasts, AreInvalidation) {
  for (const char* driver : {"broadcast", "broadcast_wide", "builtin"}) {
    for (const char* machine : {"btm=1", "btm=1,ats=0,cmdqs=3,cmdq=3", "btm=1,hyp=1", "btm=0"}) {
      const CheckResult result = check(driver, machine);
      for (const auto& one : result.findings) {
        ADD_FAILURE() << driver << " on " << machine << ": " << oracle::headline(one);
      }
      EXPECT_EQ(result.unmodelled, 0U) << driver << " on " << machine;
      EXPECT_EQ(result.sequences, cases(600, 6000));
    }
  }
}

TEST(Broadcasts, AreForNothingWhereTheyNeedNotAct) {
  for (const char* bug : {"ptm", "apart", "no_dsb", "stores_only", "early", "narrow"}) {
    const std::string driver = std::string("broadcast_") + bug;
    EXPECT_FALSE(check(driver, "btm=1").findings.empty()) << driver;
    // The same where the driver sends commands.
    const CheckResult without = check(driver, "btm=0");
    for (const auto& one : without.findings) ADD_FAILURE() << driver << oracle::headline(one);
  }
}

TEST(Broadcasts, AreSaidToBeCompletedByADsb) {
  const CheckResult result = check("broadcast_no_dsb", "btm=1,ats=0");
  ASSERT_FALSE(result.findings.empty());
  EXPECT_THAT(oracle::full_text(result.findings.front()),
              ::testing::HasSubstr("covers it, but no DSB of its CPU has completed it"));
}

}  // namespace
}  // namespace iommucheck::test::broadcasts_test
