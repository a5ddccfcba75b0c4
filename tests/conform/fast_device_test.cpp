// SPDX-License-Identifier: MIT
// The fast model under conform: machines with everything, and drawn ones, with caches of ordinary
// size and such as replace all the time. What it may still have cached it uses.
#include <gtest/gtest.h>

#include "conform/conform.h"
#include "conform/dut/door_device.h"
#include "conform/dut/spec_device.h"
#include "conform/judge_case.h"
#include "conform/runner.h"
#include "spec/rules/commands.h"
#include "spec/rules/protocol.h"
#include "spec/rules/records.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"
#include "tests/cases.h"
#include "tests/conform/run_options.h"
#include "tests/conform/words.h"

namespace iommucheck::oracle::fast_device_test {
namespace {

using spec::Rule;

namespace rule = spec::rule;

RuleVerdict verdict(const ConformResult& result, Rule rule) {
  for (const RuleCount& count : result.rules) {
    if (count.rule == rule) return count.verdict;
  }
  return RuleVerdict::undetermined;
}

TEST(FastDevice, HoldsWithEverythingClaimed) {
  auto device = open_device("fast", 2, 5);
  ASSERT_TRUE(device) << device.error().message;
  EXPECT_EQ((*device)->identity().name, "fast");
  const auto result = run_conform(**device, options_of(2, test::cases(40, 600)));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(result->held()) << words(*result);
  EXPECT_EQ(result->deaths, 0U);
  EXPECT_EQ(result->undetermined, 0U);
  EXPECT_GT(result->stale_allowed, 100U);
  for (const Rule rule :
       {rule::TLBI_TAGS, rule::TLBI_RANGE, rule::CFGI_SCOPE, rule::S1_PERMISSION,
        rule::S2_PERMISSION, rule::S2_PTW, rule::EVENT_RECORD, rule::EVENT_OVERFLOW,
        rule::COMMAND_ERROR_STOPS, rule::L1STD_SPAN, rule::CD_FETCH, rule::S1_WALK_FETCH,
        rule::INTERRUPT_SENT, rule::PAGE_REQUEST_RECORD, rule::PAGE_REQUEST_OVERFLOW,
        rule::CMD_SYNC_COMPLETES, rule::ID_REGISTERS, rule::REGISTER_READ}) {
    EXPECT_EQ(verdict(*result, rule), RuleVerdict::holds) << spec::rule_name(rule);
  }
}

TEST(FastDevice, HoldsOnDrawnMachines) {
  for (const u64 seed : {3U, 5U}) {
    auto device = open_device("fast", seed, 5);
    ASSERT_TRUE(device) << device.error().message;
    // Random cases alone: the directed ones are those of the other test.
    ConformOptions options = options_of(seed, 1);
    for (u64 number = 0; number < test::cases(12, 400); ++number) {
      options.one_case = number;
      const auto result = run_conform(**device, options);
      ASSERT_TRUE(result) << result.error().message;
      EXPECT_TRUE(result->held()) << seed << ", case " << number << ": " << words(*result);
      EXPECT_EQ(result->random, 1U);
    }
  }
}

/// A CMD_ATC_INV behind a command in error is read when that is mended, and its endpoint has to
/// answer before the CMD_SYNC behind both.
TEST(FastDevice, EndpointsAnswerBehindAMendedCommand) {
  auto device = open_device("fast", 2, 5);
  ASSERT_TRUE(device) << device.error().message;
  CaseBuilder b((*device)->identity(), "an invalidation of an ATC behind a command in error");
  b.translate(0, b.root(spec::Granule::g4k, 25));
  b.command_words(0xff, 0);
  b.command(atc_inv(b.sid(0), 0x5000, 0));
  b.command(spec::cmd_sync());
  b.mend(spec::cmd_tlbi_nsnh_all());
  const auto run = run_case(**device, b.take());
  ASSERT_TRUE(run) << run.error().message;
  u64 cons = 0, prod = 0, answered = 0;
  for (const trace::Event& event : run->trace.events) {
    if (const auto* read = std::get_if<trace::MmioRead>(&event.payload)) {
      if (read->offset == spec::reg::cmdq_cons) cons = read->value & 0xfffff;
    }
    if (const auto* write = std::get_if<trace::MmioWrite>(&event.payload)) {
      if (write->offset == spec::reg::cmdq_prod) prod = write->value;
    }
    answered += std::holds_alternative<trace::AtcInvalidated>(event.payload) ? 1 : 0;
  }
  EXPECT_EQ(answered, 1U);
  EXPECT_EQ(cons, prod);
}

}  // namespace
}  // namespace iommucheck::oracle::fast_device_test
