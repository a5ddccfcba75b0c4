// SPDX-License-Identifier: MIT
// Devices by what they state beyond their ID registers: the specification as a device that is so
// passes by that, and one that is not so, or does not state it, is found.
#include <gtest/gtest.h>

#include "conform/conform.h"
#include "conform/dut/spec_device.h"
#include "spec/rules/commands.h"
#include "tests/cases.h"
#include "tests/conform/run_options.h"
#include "tests/conform/words.h"

namespace iommucheck::oracle::profile_test {
namespace {

namespace rule = spec::rule;

spec::Profile without_caches() {
  return {.caches_config = false, .caches_walks = false, .caches_leaves = false, .combines = false};
}

/// The device is of `is`, and judged by `states`.
ConformResult judged(const spec::Profile& is, const spec::Profile& states, u64 cases) {
  SpecDevice device(1, spec_device_id(), is);
  device.states(states);
  auto result = run_conform(device, options_of(7, cases));
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

TEST(ConformProfile, WhoIsAsItStatesPasses) {
  for (const spec::Profile& profile :
       {without_caches(), spec::Profile{.config_atom = 16}, spec::Profile{.has_page1 = false},
        spec::Profile{.knows_prefetch = false},
        spec::Profile{.gbpa_reset = spec::GbpaReset::abort}}) {
    const ConformResult result = judged(profile, profile, test::cases(30, 300));
    EXPECT_TRUE(result.held()) << words(result);
    EXPECT_GT(result.accesses, 100U);
  }
}

/// It may use less than it states to have.
TEST(ConformProfile, WhoHasLessThanItStatesPasses) {
  const ConformResult result = judged(without_caches(), {}, test::cases(30, 300));
  EXPECT_TRUE(result.held()) << words(result);
}

TEST(ConformProfile, WhoCachesWhatItStatesNotToIsFound) {
  EXPECT_FALSE(judged({}, without_caches(), test::cases(60, 300)).held());
}

TEST(ConformProfile, ADeviationThatIsNotStatedIsFound) {
  const ConformResult result = judged({.knows_prefetch = false}, {}, 1);
  EXPECT_FALSE(result.held());
  EXPECT_FALSE(judged({}, {.knows_prefetch = false}, 1).held());
}

TEST(ConformProfile, TheSpecificationHasWhatIsStated) {
  const Stating states = [](const spec::IdRegisters& id) -> Expected<DeviceStatement> {
    spec::Capabilities caps = spec::parse_capabilities(id);
    caps.cohacc = false;
    return DeviceStatement{.profile = without_caches(), .id = spec::make_id_registers(caps)};
  };
  const auto device = open_device("spec", 1, 5, states);
  ASSERT_TRUE(device) << device.error().message;
  EXPECT_FALSE(spec::parse_capabilities((*device)->identity().id).cohacc);
  EXPECT_FALSE((*device)->profile().caches_leaves);
}

}  // namespace
}  // namespace iommucheck::oracle::profile_test
