// SPDX-License-Identifier: MIT
// Whatever a guest writes, its devices reach its own memory and the host holds; and hosts that let
// it out are found.
#include "guest/hostile_guest.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "check/alone.h"
#include "tests/cases.h"
#include "tests/drawn_bytes.h"
#include "tests/guest/guest_world_support.h"
#include "tests/places.h"

namespace iommucheck::test::hostile_guest_test {
namespace {

using oracle::HostileGuest;

TEST(HostileGuest, ReachesItsOwnMemoryAlone) {
  HostileGuest hostile(*impl::builtin_driver());
  ASSERT_EQ(hostile.boot(), "");
  const u64 seed = 1;
  for (u64 i = 0; i < cases(400, 100'000); ++i) {
    ASSERT_EQ(hostile.run(drawn_bytes(seed + i)), "")
        << "seed " << seed + i << " " << text_of_first(hostile.guest().host().monitor().findings());
  }
  const HostileGuest::Numbers& numbers = hostile.numbers();
  EXPECT_GT(numbers.stores, 400U);
  EXPECT_GT(numbers.writes, 400U);
  EXPECT_GT(numbers.accesses, 400U);
  EXPECT_GT(numbers.reached, 40U);
  const oracle::VirtualSmmu::Numbers& smmu = hostile.guest().smmu().numbers();
  EXPECT_GT(smmu.handed_on, 150U);
  EXPECT_GT(smmu.installed, 400U);
  EXPECT_GT(smmu.refused, 20U);
  EXPECT_GT(smmu.records, 40U);
}

class HostilesHost : public ::testing::TestWithParam<const char*> {};

TEST_P(HostilesHost, IsFound) {
  oracle::CheckOptions options;
  options.driver = in_build(std::string("museum/museum_") + GetParam() + ".so");
  const auto loaded = oracle::load_plugin(options);
  ASSERT_TRUE(loaded) << loaded.error().message;
  HostileGuest hostile(loaded->driver());
  ASSERT_EQ(hostile.boot(), "");
  std::string found;
  for (u64 i = 0; i < 50'000 && found.empty(); ++i) found = hostile.run(drawn_bytes(1 + i));
  EXPECT_NE(found, "");
}

INSTANTIATE_TEST_SUITE_P(Museum, HostilesHost,
                         ::testing::Values("user_combined_entries_left", "user_count_one_too_high",
                                           "s2_no_tlbi", "s2_wrong_vmid"),
                         [](const auto& its) { return std::string(its.param); });

}  // namespace
}  // namespace iommucheck::test::hostile_guest_test
