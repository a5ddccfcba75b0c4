// SPDX-License-Identifier: MIT
// A small hypervisor's driver, stage 2 alone: the right one holds on every machine that it is for,
// and of each mistake planted in it the first finding is what it is (tests/plugins/
// hypervisor_driver.c).
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "check/check.h"
#include "report/finding_text.h"
#include "spec/rules/promises.h"
#include "spec/rules/protocol.h"
#include "tests/places.h"

namespace iommucheck::test::hypervisor_test {
namespace {

using oracle::CheckOptions;
using oracle::CheckResult;
using spec::Rule;
namespace rule = spec::rule;

CheckResult check(const std::string& driver, const std::string& machine, u64 sequences) {
  CheckOptions options;
  options.driver = test::in_build("test-plugins/") + driver + ".so";
  options.machine = machine;
  options.sequences = sequences;
  options.seed = 3;
  options.shrink = false;
  options.findings_max = 1;
  options.hang_seconds = 0.25;
  auto result = oracle::run_check(options);
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

std::string why(const CheckResult& result) {
  std::string text;
  for (const auto& finding : result.findings) text += headline(finding) + "\n";
  return text;
}

/// Machines that it is not for have others in their place, so that it meets eight.
TEST(Hypervisor, Holds) {
  for (const char* machine : {"drawn", "s2p=1,oas=40", "s2p=1,s1p=0,oas=36"}) {
    for (const char* driver : {"hypervisor", "hypervisor_by_kind"}) {
      const CheckResult result =
          check(driver, machine, machine == std::string("drawn") ? 2048 : 500);
      EXPECT_TRUE(result.findings.empty()) << driver << " on " << machine << ": " << why(result);
      EXPECT_TRUE(result.not_looked_at.empty()) << result.not_looked_at.front();
      EXPECT_THAT(result.scope, ::testing::StartsWith("stage 2, no PASID"));
      for (const auto& one : result.machines) EXPECT_EQ(one.refused, !one.instead.empty());
    }
  }
}

struct Bug {
  u32 number;  // of `enum bug` there
  Rule rule;
  const char* words;  // that the finding has
};
constexpr Bug bugs[] = {
    {1, rule::PAGE_REUSE, "covers this VA, but VMID 0; the entry has VMID 1"},
    {2, rule::TABLE_FREE, "a cached table descriptor"},
    {3, rule::PROMISE_OUTCOME, "An invalid or reserved stage 2 descriptor is F_TRANSLATION"},
    {4, rule::PROMISE_OUTCOME, "STE.S2T0SZ is in range"},
    {5, rule::PROMISE_OUTCOME, "memory: 0x"},
    {6, rule::TORN_STE, "is illegal (STE_S2AA64)"},
    {7, rule::PROMISE_OUTCOME, "covers leaves only; the entry is a table pointer"},
    {8, rule::PROMISE_OUTCOME, "the L1STD of stream"},
    {9, rule::PAGE_REUSE, "covers other addresses"},
    {10, rule::PROMISE_OUTCOME, "memory: 0x"},
    {11, rule::PROMISE_OUTCOME, "memory: 0x"},
    {12, rule::PROMISE_OUTCOME, "Device memory"},
    {13, rule::PROMISE_OUTCOME, "AF = 0 at stage 2 is F_ACCESS"},
    {14, rule::PAGE_REUSE, "no completed CMD_SYNC after it was observed"},
    {15, rule::QUEUE_OVERRUN, "exposes more than the queue holds"},
    {16, rule::PROMISE_OUTCOME, "promised: terminated (blocked)"},
    {17, rule::UNKNOWN_AFTER_RESET, "no completed CFGI_ALL"},
    {18, rule::WILD_WALK, "non-shareable"},
    {19, rule::WILD_WALK, "written without a barrier before it was linked"},
    {20, rule::PAGE_REUSE, "covers this VA, but stage 1 entries only; the entry is of stage 2"},
    {21, rule::PROMISE_OUTCOME, "the effective S2PS"},
    {22, rule::TABLE_FREE, "points to it"},
};

TEST(Hypervisor, WhatIsWrongIsFound) {
  for (const Bug& bug : bugs) {
    const CheckResult result = check(fmt::format("hypervisor_bug_{}", bug.number), "drawn", 4000);
    ASSERT_EQ(result.findings.size(), 1U) << bug.number;
    EXPECT_EQ(result.findings[0].rule, bug.rule) << bug.number << ": " << why(result);
    EXPECT_THAT(full_text(result.findings[0]), ::testing::HasSubstr(bug.words)) << bug.number;
  }
}

}  // namespace
}  // namespace iommucheck::test::hypervisor_test
