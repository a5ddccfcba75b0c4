// SPDX-License-Identifier: MIT
// Drivers of several SMMUs over one memory (tests/plugins/two_smmus_driver.c): right ones hold, and
// what is done at one SMMU only is found, by a trace that shows it alone.
#include <gtest/gtest.h>

#include <filesystem>

#include "check/check.h"
#include "check/machine_plan.h"
#include "check/record_case.h"
#include "check/sequence.h"
#include "host/load.h"
#include "monitor/event_smmu.h"
#include "monitor/replay.h"
#include "monitor/trace_setup.h"
#include "report/finding_text.h"
#include "spec/rules/promises.h"
#include "tests/cases.h"
#include "tests/own_path.h"
#include "tests/places.h"

namespace iommucheck::test::several_smmus_test {
namespace {

using oracle::CheckOptions;
using oracle::CheckResult;
using spec::Rule;
namespace rule = spec::rule;

constexpr const char* two_each = "devices=1:0/2:0/5:0:ats:smmu=1/9:0:smmu=1";

CheckOptions options_of(const std::string& driver, const std::string& machine) {
  CheckOptions options;
  options.driver = test::in_build("test-plugins/") + driver + ".so";
  options.machine = machine;
  options.sequences = test::cases(600, 6000);
  options.seed = 11;
  options.shrink = false;
  options.findings_max = 1;
  return options;
}

CheckResult check(const CheckOptions& options) {
  auto result = oracle::run_check(options);
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

TEST(SeveralSmmus, OfARightDriverHold) {
  for (const char* driver : {"two_smmus", "two_smmus_apart"}) {
    for (const char* machine : {two_each, "drawn", "devices=1:0/2:0:smmu=1/3:0:smmu=2,msi=1"}) {
      const CheckResult result = check(options_of(driver, machine));
      std::string why;
      for (const auto& finding : result.findings) why += full_text(finding) + "\n";
      EXPECT_TRUE(result.findings.empty()) << driver << " on " << machine << ": " << why;
      EXPECT_EQ(result.without_verdict, 0U);
    }
  }
}

struct Wrong {
  const char* driver;
  Rule rule;
  u32 smmu;
};
constexpr Wrong wrong[] = {
    {"two_smmus_tlbi", rule::PAGE_REUSE, 1},         {"two_smmus_sync", rule::PROMISE_OUTCOME, 1},
    {"two_smmus_ste", rule::PROMISE_UNDISTURBED, 0},  // the first one has an STE of nobody's
    {"two_smmus_reset", rule::PROMISE_OUTCOME, 1},   {"two_smmus_shutdown", rule::TABLE_FREE, 1},
};

TEST(SeveralSmmus, WhatIsDoneAtOneOnlyIsFound) {
  const std::string folder = test::own_path("several_smmus");
  for (const Wrong& one : wrong) {
    CheckOptions options = options_of(one.driver, two_each);
    options.shrink = true;
    options.out_directory = folder;
    const CheckResult result = check(options);
    ASSERT_EQ(result.findings.size(), 1U) << one.driver;
    const auto& finding = result.findings[0];
    EXPECT_EQ(finding.rule, one.rule) << full_text(finding);
    EXPECT_EQ(finding.smmu, one.smmu) << one.driver;
    const bool names_it = headline(finding).find("(of SMMU 1)") != std::string::npos;
    EXPECT_EQ(names_it, one.smmu == 1) << headline(finding);
    ASSERT_FALSE(finding.trace_path.empty()) << one.driver;
    oracle::ReplayOptions again;
    again.trace = finding.trace_path;
    const auto replayed = oracle::run_replay(again);
    ASSERT_TRUE(replayed.has_value()) << replayed.error().message;
    ASSERT_FALSE(replayed->findings.empty()) << one.driver;
    EXPECT_EQ(replayed->findings[0].rule, one.rule) << one.driver;
    EXPECT_EQ(headline(replayed->findings[0]), headline(finding)) << one.driver;
  }
  std::filesystem::remove_all(folder);
}

/// What happens at each of them stands in the trace, and says the same once more.
TEST(SeveralSmmus, ATraceIsJudgedAsTheRunWas) {
  auto plugin = oracle::Plugin::load(test::in_build("test-plugins/two_smmus_apart.so"));
  ASSERT_TRUE(plugin.has_value());
  oracle::LockstepOptions options;
  options.machine = oracle::parse_machine(two_each).value();
  u64 of_second = 0;
  for (u64 number = 0; number < 20; ++number) {
    oracle::Sequence sequence;
    oracle::make_sequence(3, number, 20, sequence);
    sequence.ends = {.whole_space = true, .teardown = true};
    const auto record = oracle::record_case(plugin->driver(), options, sequence);
    ASSERT_EQ(record.failed, "");
    EXPECT_TRUE(record.findings.empty());
    for (const trace::Event& event : record.trace.events) {
      of_second += oracle::named_smmu(event) == 1U ? 1 : 0;
    }
    const oracle::ReplayResult replayed = oracle::replay_trace(record.trace);
    EXPECT_EQ(replayed.flagged, 0U);
    EXPECT_EQ(replayed.accepted, record.trace.events.size()) << number;
    EXPECT_EQ(replayed.bound, "");
  }
  EXPECT_GT(of_second, 1000U);
}

TEST(SeveralSmmus, OfATraceAreSixteenAtMost) {
  trace::Header header;
  header.registers_each = true;
  header.devices = trace::Devices{{.device = trace::DeviceId{0}, .sids = {1}}};
  EXPECT_TRUE(oracle::may_judge(header).has_value());
  header.devices->front().iommu = trace::IommuId{~u32{0}};
  const auto judged = oracle::may_judge(header);
  ASSERT_FALSE(judged.has_value());
  EXPECT_NE(judged.error().message.find("device 0 is behind SMMU 4294967295"), std::string::npos);
}

/// On a machine of one SMMU there is nothing to be found of them.
TEST(SeveralSmmus, AreNotThereWhereThereIsOne) {
  for (const char* driver : {"two_smmus_tlbi", "two_smmus_reset", "two_smmus_shutdown"}) {
    EXPECT_TRUE(check(options_of(driver, "devices=1:0/2:0")).findings.empty()) << driver;
  }
}

/// A driver that says nothing of several never meets them.
TEST(SeveralSmmus, AreMetByWhoDrivesEach) {
  const auto plan = oracle::MachinePlan::parse("drawn", 5);
  ASSERT_TRUE(plan.has_value());
  u32 several = 0;
  for (u32 i = 0; i < plan->count_of_all(); ++i) {
    EXPECT_FALSE(plan->met(i, {}).has_several_smmus());
    const oracle::Machine machine = plan->met(i, {.drives_each = true});
    several += machine.has_several_smmus() ? 1 : 0;
    const auto again = oracle::parse_machine(machine_text(machine));
    ASSERT_TRUE(again.has_value()) << machine_text(machine) << ": " << again.error().message;
    EXPECT_EQ(machine_text(*again), machine_text(machine));
  }
  EXPECT_GE(several, plan->count_of_all() / 4);
}

}  // namespace
}  // namespace iommucheck::test::several_smmus_test
