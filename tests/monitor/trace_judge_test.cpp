// SPDX-License-Identifier: MIT
// The loop behind replay and the C door: what it tells where the specification gives up.
#include "monitor/trace_judge.h"

#include <gtest/gtest.h>

#include <map>
#include <utility>

#include "host/driver_host.h"
#include "impl/driver.h"
#include "monitor/trace_setup.h"
#include "spec/rules/protocol.h"
#include "spec/rules/structures.h"

namespace iommucheck::oracle::trace_judge_test {
namespace {

using spec::sva::CallKind;

Setup one_device() {
  Setup setup;
  setup.id = default_id_registers();
  setup.window_bytes = u64{16} << 20;
  setup.devices.push_back({.stream_ids = {1}});
  return setup;
}

/// More calls at once than the interface follows.
TEST(Judge, TellsThatABoundWasHit) {
  Judge judge(header_of(one_device(), {}), 20);
  Monitor& monitor = judge.monitor();
  DriverHost host(*impl::builtin_driver(), monitor);
  ASSERT_EQ(host.boot(), "");
  EXPECT_TRUE(judge.missing().empty());
  EXPECT_TRUE(judge.result().bound.empty());
  for (unsigned i = 0; i < 65; ++i) {
    monitor.call_begins({.kind = CallKind::pasid_alloc, .min_pasid = 1, .max_pasid = 0});
    monitor.call_waits();
  }
  monitor.check_whole_space();
  ASSERT_TRUE(monitor.findings().empty());
  ASSERT_TRUE(judge.gave_up());
  const std::vector<MissingFact> missing = judge.missing();
  ASSERT_EQ(missing.size(), 1U);
  EXPECT_EQ(missing[0].fact,
            "a bound of the specification was hit: more than 64 calls run at once");
  EXPECT_EQ(judge.result().bound, missing[0].fact);
}

/// A stream whose STE says abort is terminated, by a device under test or by one that is none.
ReplayResult aborting_stream(bool under_test) {
  namespace reg = spec::reg;
  trace::Header header;
  header.assumed_clean = true;
  if (under_test) header.profile = trace::Profile{{"device-under-test", true}, {"every-pa", true}};
  Judge judge(header, 20);
  const auto take = [&](AgentId agent, auto payload) {
    judge.take(trace::Event{.agent = agent, .payload = std::move(payload)});
  };
  const auto write = [&](u32 offset, u8 size, u64 value) {
    take(AgentId::cpu0,
         trace::MmioWrite{.offset = offset, .size = size, .value = value, .ordered = true});
  };
  take(AgentId::cpu0, trace::Fill{.pa = 0x1000, .words = 64, .value = 0});
  take(AgentId::cpu0, trace::Store{.pa = 0x1040, .size = 8, .value = 1});  // V, Config = abort
  write(reg::strtab_base, 8, 0x1000);
  write(reg::strtab_base_cfg, 4, 3);
  write(reg::cr0, 4, spec::cr0::smmuen);
  take(AgentId::cpu0,
       trace::MmioRead{.offset = reg::cr0ack, .size = 4, .value = spec::cr0::smmuen});
  trace::Dma dma{.sid = 1, .iova = 0x2000, .result = trace::DmaResult::abort};
  dma.ssid = trace::no_substream;
  dma.direction = trace::Direction::read;
  dma.privileged = false;
  take(trace::device_agent(0), dma);
  judge.finish();
  return judge.result();
}

/// What an SMMU has to keep is counted where one is judged, as what its driver has to keep is.
TEST(Judge, CountsTheRulesOfADeviceUnderTest) {
  const ReplayResult result = aborting_stream(true);
  for (const Violation& violation : result.findings) ADD_FAILURE() << violation.statement;
  std::map<spec::Rule, RuleCount> rules;
  for (const RuleCount& count : result.rules) {
    EXPECT_TRUE(rules.emplace(count.rule, count).second) << spec::rule_name(count.rule);
  }
  EXPECT_EQ(rules.at(spec::rule::STE_ABORT).verdict, RuleVerdict::holds);
  EXPECT_EQ(rules.at(spec::rule::STE_ABORT).discriminating, 1U);
  EXPECT_EQ(rules.at(spec::rule::DEVICE_OUTCOME).verdict, RuleVerdict::holds);
  EXPECT_EQ(rules.at(spec::rule::STE_BYPASS).verdict, RuleVerdict::not_exercised);
  for (const RuleCount& count : aborting_stream(false).rules) {
    EXPECT_NE(spec::rule_info(count.rule).keeper, spec::Keeper::smmu);
  }
}

}  // namespace
}  // namespace iommucheck::oracle::trace_judge_test
