// SPDX-License-Identifier: MIT
// Users of stage 2 domains in campaigns: what is wrong with how one serves them is found, and shows
// again by its trace.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "check/check.h"
#include "report/finding_text.h"
#include "spec/rules/promises.h"
#include "tests/places.h"

namespace iommucheck::test::users_test {
namespace {

using oracle::CheckOptions;
using oracle::CheckResult;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

CheckResult check(const CheckOptions& options) {
  auto result = oracle::run_check(options);
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

/// What is compared with what a user's tables say is an event of the trace.
TEST(Users, AFindingShowsAgainByItsTraceAlone) {
  CheckOptions options;
  options.driver = test::in_build("museum/museum_user_vmid_kept.so");
  options.machine = "s2p=1,httu=2";
  options.sequences = 1500;
  options.operations_max = 32;
  options.seed = 7;
  options.findings_max = 1;
  const CheckResult result = check(options);
  ASSERT_THAT(result.findings, Not(IsEmpty()));
  const oracle::Violation& found = result.findings[0];
  EXPECT_EQ(found.rule, spec::rule::PROMISE_OUTCOME) << oracle::headline(found);
  EXPECT_THAT(found.remarks, Each(Not(HasSubstr("the trace alone does not show it"))));
}

}  // namespace
}  // namespace iommucheck::test::users_test
