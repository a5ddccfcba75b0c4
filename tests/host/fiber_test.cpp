// SPDX-License-Identifier: MIT
#include "host/fiber.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace iommucheck::oracle::fiber_test {
namespace {

TEST(Fiber, RunsToItsEndWithoutYielding) {
  Fiber fiber;
  int runs = 0;
  fiber.start([&] { ++runs; });
  EXPECT_EQ(runs, 1);
  EXPECT_FALSE(fiber.active());
  fiber.resume();  // nothing to resume
  EXPECT_EQ(runs, 1);
}

TEST(Fiber, InterleavesAndKeepsItsStack) {
  Fiber a;
  Fiber b;
  std::vector<std::string> order;
  const auto work = [&order](Fiber& self, const std::string& name) {
    return [&order, &self, name] {
      std::string local = name;
      for (int i = 0; i < 3; ++i) {
        local += std::to_string(i);
        order.push_back(local);
        self.yield();
      }
    };
  };
  a.start(work(a, "a"));
  b.start(work(b, "b"));
  while (a.active() || b.active()) {
    b.resume();
    a.resume();
  }
  EXPECT_EQ(order, (std::vector<std::string>{"a0", "b0", "b01", "a01", "b012", "a012"}));
}

TEST(Fiber, IsUsedAgainManyTimes) {
  Fiber fiber;
  int sum = 0;
  for (int i = 0; i < 1000; ++i) {
    fiber.start([&] {
      volatile char deep[20000];
      deep[0] = 1;
      fiber.yield();
      sum += deep[0];
    });
    EXPECT_TRUE(fiber.active());
    fiber.resume();
    EXPECT_FALSE(fiber.active());
  }
  EXPECT_EQ(sum, 1000);
}

}  // namespace
}  // namespace iommucheck::oracle::fiber_test
