// SPDX-License-Identifier: MIT
// A driver that says it holds something that it does not hold, or the other way round: its own
// count is compared, in a lockstep and in a scenario.
#include <gtest/gtest.h>

#include "check/lockstep.h"
#include "impl/driver.h"
#include "report/finding_text.h"
#include "scenario/format/parser.h"
#include "scenario/run/driver_subject.h"
#include "scenario/run/runner.h"

namespace iommucheck::oracle::lying_driver_test {
namespace {

const iommucheck_driver& lying() {
  static iommucheck_driver driver = *impl::builtin_driver();
  driver.held = [](void* self, iommucheck_held* held) -> int {
    const int error = impl::builtin_driver()->held(self, held);
    ++held->io_mms;
    return error;
  };
  return driver;
}

std::string torn_down(const iommucheck_driver& driver) {
  Lockstep lockstep(driver, {});
  EXPECT_EQ(lockstep.boot(), "");
  lockstep.run({}, {.whole_space = false, .teardown = true});
  std::string all;
  for (const Finding& finding : lockstep.monitor().findings()) all += one_line(finding) + "\n";
  return all;
}

TEST(LyingDriver, IsFoundAtTheEndOfALockstep) {
  EXPECT_EQ(torn_down(*impl::builtin_driver()), "");
  EXPECT_EQ(torn_down(lying()), "the driver holds 1 private io_mm, and the interface 0\n");
}

stories::ScenarioResult story(const iommucheck_driver& driver, const std::string& steps) {
  const auto file = scenario::parse("@ T R t\n" + steps, "t");
  EXPECT_TRUE(file) << (file ? "" : file.error().message);
  if (!file) return {};
  const auto subject = [&] { return stories::make_driver_subject(driver, nullptr); };
  return stories::run_scenario(file->scenarios[0], {.make_subject = subject, .trace = {}});
}

TEST(LyingDriver, IsFoundInAScenario) {
  const std::string steps = "  dev D0\n  d = domain_alloc(paging) -> new\n  leaks -> d:1\n";
  EXPECT_EQ(story(*impl::builtin_driver(), steps).status, stories::ScenarioResult::Status::passed);
  const stories::ScenarioResult result = story(lying(), steps);
  ASSERT_EQ(result.status, stories::ScenarioResult::Status::failed);
  EXPECT_EQ(result.failure->expected, "d:1");
  EXPECT_EQ(result.failure->observed, "d:1 m:1, says the driver");
}

}  // namespace
}  // namespace iommucheck::oracle::lying_driver_test
