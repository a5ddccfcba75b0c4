// SPDX-License-Identifier: MIT
// Devices by what they state beyond their ID registers: the specification as a device that is so
// passes by that, and one that is not so, or does not state it, is found.
#include <gtest/gtest.h>

#include "conform/conform.h"
#include "conform/dut/spec_device.h"
#include "tests/cases.h"
#include "tests/conform/run_options.h"
#include "tests/conform/words.h"

namespace iommucheck::oracle::profile_test {
namespace {

spec::Profile without_caches() {
  return {.caches_config = false, .caches_walks = false, .caches_leaves = false, .combines = false};
}

/// The device is of `is`, and judged by `states`. `only`: directed cases of such names alone.
ConformResult judged(const spec::Profile& is, const spec::Profile& states, u64 cases,
                     const std::string& only = {}) {
  SpecDevice device(1, spec_device_id(), is);
  device.states(states);
  auto result = run_conform(device, options_of(7, cases, only));
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

TEST(ConformProfile, WhoIsAsItStatesPasses) {
  for (const spec::Profile& profile :
       {without_caches(), spec::Profile{.config_atom = 16}, spec::Profile{.has_page1 = false},
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

/// By the commands that it is about.
TEST(ConformProfile, ADeviationThatIsNotStatedIsFound) {
  const char* const prefetches = "command: PREFETCH*";
  const spec::Profile ignorant{.knows_prefetch = false};
  EXPECT_TRUE(judged({}, {}, 0, prefetches).held());
  EXPECT_TRUE(judged(ignorant, ignorant, 0, prefetches).held());
  EXPECT_FALSE(judged(ignorant, {}, 0, prefetches).held());
  EXPECT_FALSE(judged({}, ignorant, 0, prefetches).held());
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
