// SPDX-License-Identifier: MIT
// Of each machine's turn the last sequence sends many commands: what goes wrong where the indices
// of a large command queue wrap around is found by it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "check/case_source.h"
#include "check/check.h"
#include "spec/rules/protocol.h"
#include "tests/check/lockstep_support.h"

namespace iommucheck::test::long_sequences_test {
namespace {

using oracle::CheckOptions;
using oracle::CheckResult;
namespace rule = spec::rule;

CheckResult check(const std::string& driver, u32 operations_max) {
  CheckOptions options;
  options.driver = driver;
  options.machine = "ril=0,cmdqs=8,cmdq=8";
  options.sequences = 300;
  options.seed = 5;
  options.operations_max = operations_max;
  options.shrink = false;
  options.findings_max = 3;
  options.hang_seconds = 1;
  auto result = oracle::run_check(options);
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

std::vector<spec::Rule> rules_of(const CheckResult& result) {
  std::vector<spec::Rule> rules;
  for (const auto& finding : result.findings) rules.push_back(finding.rule);
  return rules;
}

TEST(LongSequences, ALargeQueueWrapsAround) {
  using ::testing::Contains;
  const std::string wrong = museum("queue_without_wrap_bit");
  EXPECT_THAT(rules_of(check(wrong, CheckOptions::operations_usual)),
              Contains(rule::QUEUE_OVERRUN));
  EXPECT_TRUE(check(wrong, 19).findings.empty()) << "who wants short ones has them";
  EXPECT_TRUE(check(museum("none"), CheckOptions::operations_usual).findings.empty());
}

}  // namespace
}  // namespace iommucheck::test::long_sequences_test
