// SPDX-License-Identifier: MIT
// Drivers that switch ATS at the device itself (platform.ats_enable): one that is off asks no more
// and has nothing cached, so that the order of Linux 6.1's detach is right; while it is on all that
// is asked of ATCs is asked.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "check/check.h"
#include "report/finding_text.h"
#include "spec/rules.h"
#include "spec/rules/promises.h"
#include "tests/places.h"

namespace iommucheck::test::endpoint_ats_test {
namespace {

using oracle::CheckOptions;
using oracle::CheckResult;
using oracle::Violation;

constexpr const char* machine = "ats=1,devices=0x1:0:ats/0x2+0x3:0:ats/0x4:0";

CheckResult check(const std::string& variant, u64 seed) {
  CheckOptions options;
  options.driver = in_build("test-plugins/ats_") + variant + ".so";
  options.machine = machine;
  options.seed = seed;
  options.sequences = 1500;
  options.shrink = false;
  auto result = oracle::run_check(options);
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

TEST(EndpointAts, OffItAsksNoMore) {
  for (const u64 seed : {1U, 2U, 3U}) {
    const CheckResult result = check("told", seed);
    for (const Violation& one : result.findings) ADD_FAILURE() << oracle::headline(one);
  }
}

/// The device may have asked again between CMD_ATC_INV and the end of its stream table entry.
TEST(EndpointAts, WithoutAWordItGoesOnAsking) {
  for (const u64 seed : {1U, 2U, 3U}) EXPECT_FALSE(check("untold", seed).findings.empty()) << seed;
}

TEST(EndpointAts, OnItIsJudged) {
  for (const u64 seed : {1U, 2U, 3U}) {
    const CheckResult result = check("forgets", seed);
    ASSERT_FALSE(result.findings.empty()) << seed;
    EXPECT_EQ(result.findings.front().rule, spec::rule::PAGE_REUSE) << seed;
  }
}

}  // namespace
}  // namespace iommucheck::test::endpoint_ats_test
