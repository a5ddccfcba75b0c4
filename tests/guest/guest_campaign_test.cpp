// SPDX-License-Identifier: MIT
// Campaigns on guests: drivers of the museum are found at the guest's level, and hosts of the
// museum at theirs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "check/alone.h"
#include "check/check.h"
#include "check/sequence.h"
#include "impl/driver.h"
#include "report/finding_text.h"
#include "tests/cases.h"
#include "tests/guest/guest_world_support.h"
#include "tests/places.h"

namespace iommucheck::test::guest_campaign_test {
namespace {

using testing::Each;
using testing::HasSubstr;
using testing::Not;

std::string museum(const std::string& name) { return in_build("museum/museum_" + name + ".so"); }

oracle::LoadedPlugin loaded(const std::string& path) {
  oracle::CheckOptions options;
  options.driver = path;
  auto plugin = oracle::load_plugin(options);
  if (!plugin) throw std::runtime_error(plugin.error().message);
  return std::move(*plugin);
}

/// What is broken first, and at whose level.
std::string first_found(oracle::Lockstep& lockstep, u64 sequences) {
  oracle::Sequence sequence;
  for (u64 number = 0; number < sequences; ++number) {
    oracle::make_sequence(3, number, 20, sequence);
    lockstep.run(sequence.operations, sequence.ends);
    const auto& found = lockstep.monitor().findings();
    if (found.empty()) continue;
    const bool of_host = !lockstep.guest()->host().monitor().findings().empty();
    EXPECT_EQ(of_host, found[0].statement.starts_with("the host of the guest: "));
    return (of_host ? "host " : "guest ") + std::string(spec::rule_name(found[0].rule));
  }
  return "nothing";
}

class GuestDriver : public testing::TestWithParam<const char*> {};

/// Neither the host nor what it plays is accused.
TEST_P(GuestDriver, IsFoundAtItsOwnLevel) {
  const auto plugin = loaded(museum(GetParam()));
  oracle::LockstepOptions options;
  options.machine.guest = true;
  if (std::string_view(GetParam()).starts_with("dirty_")) options.machine.caps.httu = 2;
  plugin.put_into(options);
  oracle::Lockstep lockstep(plugin.driver(), options);
  ASSERT_EQ(lockstep.boot(), "");
  const std::string found = first_found(lockstep, 3'000);
  EXPECT_TRUE(found.starts_with("guest ")) << found;
  EXPECT_FALSE(found.contains("DEVICE_")) << found;
}

INSTANTIATE_TEST_SUITE_P(Museum, GuestDriver,
                         testing::Values("unmap_no_tlbi", "tlbi_wrong_asid", "no_cmd_sync",
                                         "cfgi_cd_forgotten_at_unbind",
                                         "table_freed_before_invalidation",
                                         "dirty_lost_between_read_and_clear"),
                         [](const auto& its) { return std::string(its.param); });

class GuestsHost : public testing::TestWithParam<const char*> {};

TEST_P(GuestsHost, IsFoundAtItsOwnLevel) {
  const auto plugin = loaded(museum(GetParam()));
  oracle::LockstepOptions options;
  options.machine.guest = true;
  options.host = &plugin.driver();
  oracle::Lockstep lockstep(*impl::builtin_driver(), options);
  ASSERT_EQ(lockstep.boot(), "");
  const std::string found = first_found(lockstep, 3'000);
  EXPECT_TRUE(found.starts_with("host ")) << found;
}

INSTANTIATE_TEST_SUITE_P(Museum, GuestsHost,
                         testing::Values("user_combined_entries_left", "s2_no_tlbi",
                                         "s2_wrong_vmid"),
                         [](const auto& its) { return std::string(its.param); });

/// With machines that are drawn.
TEST(GuestCampaign, OurDriverHolds) {
  for (const char* driver : {"builtin", "builtin-per-device"}) {
    oracle::CheckOptions options;
    options.driver = driver;
    options.machine = "drawn,guest=1";
    options.seed = 5;
    options.sequences = cases(2'100, 100'000);
    const auto result = oracle::run_check(options);
    ASSERT_TRUE(result) << result.error().message;
    for (const oracle::Violation& found : result->findings) {
      ADD_FAILURE() << oracle::one_line(found) << " on " << found.machine;
    }
    EXPECT_EQ(result->without_verdict, 0U);
  }
}

/// A trace of the guest's level has the answers that its driver was given.
TEST(GuestCampaign, ATraceShowsTheFindingAlone) {
  oracle::CheckOptions options;
  options.driver = museum("unmap_no_tlbi");
  options.machine = "default,guest=1";
  options.seed = 1;
  options.sequences = 2'000;
  const auto result = oracle::run_check(options);
  ASSERT_TRUE(result) << result.error().message;
  ASSERT_FALSE(result->findings.empty());
  EXPECT_THAT(result->findings[0].machine, HasSubstr("guest=1"));
  EXPECT_THAT(result->findings[0].remarks,
              Each(Not(HasSubstr("the trace alone does not show it"))));
}

}  // namespace
}  // namespace iommucheck::test::guest_campaign_test
