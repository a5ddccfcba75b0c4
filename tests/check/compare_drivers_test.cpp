// SPDX-License-Identifier: MIT
// Two drivers: equal ones do not differ; where they do, it is said which of the two is allowed.
#include "check/compare_drivers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/check/lockstep_support.h"
#include "tests/places.h"

namespace iommucheck::test::compare_drivers_test {
namespace {

using oracle::CheckOptions;
using oracle::Comparison;
using oracle::Difference;
using ::testing::HasSubstr;

Comparison compare(const std::string& first, const std::string& second, u64 sequences = 600) {
  CheckOptions options;
  options.driver = first;
  options.machine = "default";
  options.sequences = sequences;
  options.findings_max = 20;
  auto result = oracle::compare_drivers(options, second);
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

TEST(CompareDrivers, EqualOnesDoNotDiffer) {
  for (const std::string& driver : {std::string("builtin"), example("simple_driver")}) {
    const Comparison same = compare(driver, driver == "builtin" ? museum("none") : driver);
    for (const Difference& d : same.differences) ADD_FAILURE() << difference_text(same, d);
    EXPECT_EQ(same.sequences, 600U);
    EXPECT_GT(same.calls, 2000U);
    EXPECT_EQ(same.apart, 0U);
  }
}

TEST(CompareDrivers, TheOneThatIsNotAllowedIsNamed) {
  for (const bool swapped : {false, true}) {
    const std::string right = example("simple_driver");
    const std::string wrong = example("simple_driver_buggy");
    const Comparison result = swapped ? compare(wrong, right) : compare(right, wrong);
    ASSERT_FALSE(result.differences.empty());
    const oracle::Side& its = result.differences.front().sides[swapped ? 0 : 1];
    EXPECT_THAT(its.broken, HasSubstr("PAGE_REUSE"));
    EXPECT_TRUE(result.differences.front().sides[swapped ? 1 : 0].broken.empty());
    EXPECT_LE(result.differences.front().operations.size(), 6U);
    EXPECT_THAT(difference_text(result, result.differences.front()),
                HasSubstr(swapped ? "the second is allowed" : "the first is allowed"));
  }
}

/// Both are right, and answer in their own ways: a block is not split by the one.
TEST(CompareDrivers, BothMayBeAllowed) {
  const Comparison result = compare("builtin", example("simple_driver"), 3000);
  EXPECT_EQ(result.facts.size(), 1U);
  ASSERT_FALSE(result.differences.empty());
  for (const Difference& d : result.differences) {
    EXPECT_TRUE(d.both_allowed()) << difference_text(result, d);
  }
  EXPECT_TRUE(std::ranges::any_of(result.differences,
                                  [](const Difference& d) { return d.call.starts_with("unmap"); }));
}

TEST(CompareDrivers, WhatCannotBeComparedIsSaid) {
  CheckOptions options;
  options.sequences = 10;
  const auto none = oracle::compare_drivers(options, "/nowhere/driver.so");
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code, ErrorCode::bad_input);
  // One that dies is checked alone first.
  options.driver = test::in_build("test-plugins/faulty_crash.so");
  options.sequences = 500;
  const auto dies = oracle::compare_drivers(options, example("simple_driver"));
  ASSERT_FALSE(dies.has_value());
  EXPECT_THAT(dies.error().message, HasSubstr("check each of them alone first"));
}

}  // namespace
}  // namespace iommucheck::test::compare_drivers_test
