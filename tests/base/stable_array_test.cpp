// SPDX-License-Identifier: MIT
#include "base/stable_array.h"

#include <gtest/gtest.h>

#include <vector>

namespace iommucheck::stable_array_test {

TEST(StableArray, WhatIsThereStaysWhereItIs) {
  StableArray<std::size_t> array;
  std::vector<const std::size_t*> places;
  for (std::size_t i = 0; i < 1000; ++i) {
    array.emplace_back() = i;
    places.push_back(&array.back());
  }
  ASSERT_EQ(array.size(), places.size());
  for (std::size_t i = 0; i < places.size(); ++i) {
    EXPECT_EQ(&array[i], places[i]);
    EXPECT_EQ(array[i], i);
  }
}

}  // namespace iommucheck::stable_array_test
