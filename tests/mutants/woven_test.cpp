// SPDX-License-Identifier: MIT
// A woven source does what the mutant says that the environment names, and the original otherwise.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "sample.h"

namespace {

std::string mutant() {
  const char* id = std::getenv("IOMMUCHECK_MUTANT");
  return id == nullptr ? "" : id;
}

// What is computed by the compiler is the tree as it is.
static_assert(limited(3, 3) == 3 && limited(2, 3) == 2 && sum_of_squares(3) == 14);

TEST(Woven, ATemplateChangesForEveryType) {
  const bool on = mutant() == "sample-template";
  volatile int two = 2;
  volatile long long nine = 9;
  EXPECT_EQ(limited<int>(two, 3), on ? 3 : 2);
  EXPECT_EQ(limited<long long>(nine, 10), on ? 10 : 9);
}

TEST(Woven, AStatementIsLeftOut) {
  volatile int three = 3;
  const int expected = mutant() == "sample-statement" ? 0 : mutant() == "sample-inner" ? 36 : 14;
  EXPECT_EQ(sum_of_squares(three), expected);
}

}  // namespace
