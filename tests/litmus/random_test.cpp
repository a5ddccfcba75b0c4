// SPDX-License-Identifier: MIT
#include "litmus/random.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <chrono>
#include <cstdlib>
#include <map>

#include "litmus/layout.h"
#include "litmus/parser.h"
#include "litmus/twin/twin.h"

namespace iommucheck::litmus::litmus_random_test {
namespace {

RC_GTEST_PROP(LitmusRandom, PrintedAndReadBackIsTheSameTest, (u64 seed)) {
  const auto test = random_test(seed, *rc::gen::inRange(2U, 13U));
  const auto again = parse(print(test));
  RC_ASSERT(again.has_value());
  RC_ASSERT(again->tests.size() == 1U);
  RC_ASSERT(again->tests[0] == test);
  RC_ASSERT(layout(test).has_value());
}

TEST(LitmusRandom, TheLiteralModelJudgesThemAll) {
  const char* wanted = std::getenv("IOMMUCHECK_LITMUS_CASES");
  const u64 cases = wanted != nullptr ? std::strtoull(wanted, nullptr, 10) : 2000;
  u64 unsupported = 0;
  u64 violations = 0;
  std::map<std::string, int> broken;
  const auto start = std::chrono::steady_clock::now();
  for (u64 seed = 0; seed < cases; ++seed) {
    const auto test = random_test(seed, static_cast<unsigned>(2 + seed % 7));
    const Judgement got = judge_literally(test);
    unsupported += !got.unsupported.empty();
    violations += !got.broken.empty();
    for (const auto& rule : got.broken) ++broken[rule];
    for (const auto& set : got.allowed) {
      if (got.unsupported.empty()) {
        EXPECT_FALSE(set.empty()) << print(test);
      }
    }
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::printf("%llu tests, %.0f a second, %llu violations, %llu unsupported\n",
              static_cast<unsigned long long>(cases), static_cast<double>(cases) / seconds.count(),
              static_cast<unsigned long long>(violations),
              static_cast<unsigned long long>(unsupported));
  for (const auto& [rule, count] : broken) std::printf("  %s %d\n", rule.c_str(), count);
  // The tests are near the edge: many right, many wrong, every family that stage 1 has.
  EXPECT_LT(unsupported, cases / 50);
  EXPECT_GT(violations, cases / 10);
  EXPECT_LT(violations, cases * 9 / 10);
  for (const char* rule :
       {"page-reuse", "table-free", "conflict", "tag", "lost-update", "wild", "unknown"}) {
    EXPECT_GT(broken[rule], 0) << rule;
  }
}

}  // namespace
}  // namespace iommucheck::litmus::litmus_random_test
