// SPDX-License-Identifier: MIT
// Machines without a granule of 4 KiB: the driver's own tables have larger pages, and nobody is
// bound to a process, whose table has pages of 4 KiB.
#include <gtest/gtest.h>

#include "check/check.h"
#include "check/machine_plan.h"

namespace iommucheck::oracle::granules_test {
namespace {

TEST(Granules, TheBuiltinDriverHoldsWithEach) {
  for (const char* machine :
       {"gran4k=0,gran16k=1", "gran4k=0,gran64k=1", "gran4k=0,gran16k=1,ril=0,cohacc=0",
        "gran4k=0,gran16k=1,s2p=1,s1p=0,oas=48", "gran4k=0,gran64k=1,s2p=1,s1p=0,oas=32",
        "gran4k=0,gran16k=1,gran64k=1,httu=2,s2p=1"}) {
    CheckOptions options;
    options.machine = machine;
    options.sequences = 200;
    options.seed = 3;
    const auto result = run_check(options);
    ASSERT_TRUE(result) << machine << ": " << result.error().message;
    EXPECT_TRUE(result->findings.empty()) << machine;
  }
}

TEST(Granules, InEveryOtherPlanOneMachineHasNoneOf4KiB) {
  u32 without = 0;
  for (u64 seed = 0; seed < 40; ++seed) {
    const auto plan = MachinePlan::parse("drawn", seed);
    ASSERT_TRUE(plan);
    u32 here = 0;
    for (const Machine& machine : plan->machines()) {
      const spec::Capabilities& caps = machine.caps;
      here += caps.gran4k ? 0 : 1;
      EXPECT_TRUE(caps.gran4k || caps.gran16k || caps.gran64k);
    }
    EXPECT_LE(here, 1U);
    without += here;
    const auto named = MachinePlan::parse("drawn,gran4k=1", seed);
    ASSERT_TRUE(named);
    for (const Machine& machine : named->machines()) EXPECT_TRUE(machine.caps.gran4k);
  }
  EXPECT_GT(without, 10U);
  EXPECT_LT(without, 30U);
}

}  // namespace
}  // namespace iommucheck::oracle::granules_test
