// SPDX-License-Identifier: MIT
// Users that keep no rule reach nothing that their stage 2 does not map; and drivers that let them
// are found.
#include "check/containment.h"

#include <gtest/gtest.h>

#include <vector>

#include "check/alone.h"
#include "impl/driver.h"
#include "spec/rules.h"
#include "tests/cases.h"
#include "tests/drawn_bytes.h"
#include "tests/places.h"

namespace iommucheck::oracle::containment_test {
namespace {

std::string text_of(const std::vector<Finding>& findings) {
  if (findings.empty()) return "nothing";
  return std::string(spec::rule_name(findings[0].rule)) + ": " + findings[0].statement;
}

TEST(Containment, WhateverUsersWriteTheyReachOnlyWhatTheirStage2Maps) {
  Containment containment(*impl::builtin_driver());
  ASSERT_EQ(containment.boot(), "");
  const u64 seed = 1;
  for (u64 i = 0; i < test::cases(2'000, 50'000); ++i) {
    containment.run(test::drawn_bytes(seed + i));
    ASSERT_TRUE(containment.monitor().findings().empty())
        << "seed " << seed + i << " " << text_of(containment.monitor().findings());
  }
  const Containment::Numbers& numbers = containment.numbers();
  EXPECT_GT(numbers.stores, 1000U);
  EXPECT_GT(numbers.structures, 1000U);
  EXPECT_GT(numbers.commands, 1000U);
  EXPECT_GT(numbers.accesses, 1000U);
}

class ContainmentTwin : public ::testing::TestWithParam<const char*> {};

TEST_P(ContainmentTwin, IsFound) {
  CheckOptions options;
  options.driver = test::in_build(std::string("museum/museum_") + GetParam() + ".so");
  const auto loaded = load_plugin(options);
  ASSERT_TRUE(loaded) << loaded.error().message;
  Containment containment(loaded->driver());
  ASSERT_EQ(containment.boot(), "");
  bool found = false;
  for (u64 i = 0; i < 50'000 && !found; ++i) {
    containment.run(test::drawn_bytes(1 + i));
    found = !containment.monitor().findings().empty();
  }
  EXPECT_TRUE(found);
}

INSTANTIATE_TEST_SUITE_P(Museum, ContainmentTwin,
                         ::testing::Values("user_combined_entries_left", "user_count_one_too_high",
                                           "s2_no_tlbi", "s2_wrong_vmid"),
                         [](const auto& its) { return std::string(its.param); });

}  // namespace
}  // namespace iommucheck::oracle::containment_test
