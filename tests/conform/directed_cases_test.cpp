// SPDX-License-Identifier: MIT
// Each directed case asks something of a device that has everything, and whose version leaves
// nothing open: it may not do anything with each of the accesses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "conform/case_worker.h"
#include "conform/cases/directed.h"
#include "conform/conform.h"

namespace iommucheck::oracle::directed_cases_test {
namespace {

class DirectedCases : public testing::TestWithParam<u64> {};

TEST_P(DirectedCases, EachAsksSomething) {
  const auto device = open_device("fast", GetParam());
  ASSERT_TRUE(device) << device.error().message;
  CaseWorker worker(**device);
  std::vector<std::string> asks_nothing;
  for (Case& one : directed_cases((*device)->identity())) {
    const auto result = worker.run(std::move(one), false);
    ASSERT_TRUE(result) << result.error().message;
    const DeviceRules::Numbers& numbers = result->tally.numbers;
    if (numbers.accesses != 0 && numbers.any == numbers.accesses) {
      asks_nothing.push_back(result->what.name);
    }
  }
  EXPECT_THAT(asks_nothing, testing::IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Seeds, DirectedCases, testing::Values(2, 4));

}  // namespace
}  // namespace iommucheck::oracle::directed_cases_test
