// SPDX-License-Identifier: MIT
// Subtle mistakes of devices, each found by the directed cases that ask for it, by its rule and as
// few kinds; and a device that is right, with a TLB of its own, which is left alone.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>

#include "conform/conform.h"
#include "tests/cases.h"
#include "tests/conform/mistaken_device_support.h"
#include "tests/conform/run_options.h"
#include "tests/conform/words.h"

namespace iommucheck::oracle::conform_mistakes_test {
namespace {

ConformOptions some(u64 cases, const std::string& only = {}) { return options_of(1, cases, only); }

class ConformMistake : public testing::TestWithParam<Mistake> {};

TEST_P(ConformMistake, IsFoundByItsRule) {
  const Mistake& mistake = GetParam();
  MistakenDevice device(mistake, 1);
  const auto result = run_conform(device, some(0, mistake.only));
  ASSERT_TRUE(result) << result.error().message;
  const auto its = [&](const FoundDivergence& found) {
    return found.divergence.rule == mistake.rule;
  };
  EXPECT_TRUE(std::ranges::any_of(result->divergences, its)) << words(*result);
  EXPECT_LE(result->divergences.size(), mistake.kinds) << words(*result);
}

INSTANTIATE_TEST_SUITE_P(All, ConformMistake,
                         testing::ValuesIn(test::part_in_this_run(all_mistakes(), 2)),
                         [](const testing::TestParamInfo<Mistake>& mistake) {
                           std::string name = mistake.param.name;
                           for (char& c : name) {
                             if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
                           }
                           return name;
                         });

/// What it keeps is what a TLB may keep.
TEST(ConformMistakes, ATlbWithoutAMistakeHolds) {
  MistakenDevice device({.name = "a TLB", .section = {}, .tlb = TlbMistake{}}, 1);
  const auto result = run_conform(device, some(20));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(result->held()) << words(*result);
  EXPECT_GT(result->stale_allowed, 0U);
}

/// A CMD_ATC_INV with a SubstreamID where there are none: it does nothing, or what it does without,
/// and no CMD_SYNC has to wait for an answer. IHI 0070 4.5.1.
TEST(ConformMistakes, InvalidationsOfNoSubstreamMayDoNothing) {
  for (const bool nothing : {true, false}) {
    MistakenDevice device({.name = "no substreams",
                           .section = {},
                           .claims = [](spec::Capabilities& caps) { caps.ssidsize = 0; },
                           .command =
                               [nothing](spec::Command& command) {
                                 if (command.op != spec::Opcode::atc_inv || !command.ssv) return;
                                 if (nothing) command = {.op = spec::Opcode::prefetch_config};
                                 command.ssv = false;
                               }},
                          1);
    const auto result = run_conform(device, some(0, "ats: invalidations with a PASID, of which*"));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_EQ(result->directed, 1U);
    EXPECT_TRUE(result->held()) << words(*result);
  }
}

}  // namespace
}  // namespace iommucheck::oracle::conform_mistakes_test
