// SPDX-License-Identifier: MIT
// Events of a driver as steps.
#include "matrix/case_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "conform/case_of_trace.h"
#include "conform/dut/spec_device.h"
#include "conform/runner.h"
#include "spec/smmu/caches.h"
#include "spec/smmu/command.h"
#include "trace/agent.h"
#include "trace/json.h"

namespace iommucheck::oracle::case_writer_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

namespace reg = spec::reg;

class CaseWriterTest : public testing::Test {
 protected:
  CaseWriterTest()
      : device_(SpecDevice(1).identity()),
        caches_(spec::parse_capabilities(device_.id), {}),
        writer_(device_, caches_) {}

  template <class Payload>
  void event(Payload payload) {
    writer_.event({AgentId::cpu0, std::move(payload), std::nullopt});
  }
  /// As memory and as an event, in the monitor's order.
  void store(u64 pa, u64 value) {
    event(trace::Store{.pa = pa, .size = 8, .value = value});
    caches_.store(AgentId::cpu0, pa, value);
  }
  void write(u32 offset, u64 value, u8 size = 4) {
    event(trace::MmioWrite{.offset = offset, .size = size, .value = value});
  }
  void read(u32 offset, u64 value) {
    event(trace::MmioRead{.offset = offset, .size = 4, .value = value});
  }
  /// A command queue of four, switched on; what that took is forgotten.
  void queue_on() {
    write(reg::cmdq_base, queue() | 2, 8);
    write(reg::cr0, spec::cr0::cmdqen | spec::cr0::eventqen);
    skip_ = writer_.steps().size();
  }
  [[nodiscard]] u64 queue() const { return device_.structures_pa + 0x1000; }
  void put_command(u64 slot, const spec::Command& command) {
    const spec::CommandWords words = spec::encode_command(command);
    store(queue() + 16 * slot, words.dw0);
    store(queue() + 16 * slot + 8, words.dw1);
  }
  [[nodiscard]] std::vector<Step> steps() const {
    return {writer_.steps().begin() + static_cast<std::ptrdiff_t>(skip_), writer_.steps().end()};
  }

  DeviceIdentity device_;
  spec::Caches caches_;
  CaseWriter writer_;
  std::size_t skip_ = 0;
};

Step command_step(const spec::Command& command, bool last) {
  const spec::CommandWords words = spec::encode_command(command);
  return {StepKind::command, words.dw0, words.dw1, last ? 0U : 1U};
}

TEST_F(CaseWriterTest, ABatchIsItsCommandsAndOneWriteOfProd) {
  queue_on();
  put_command(0, spec::cmd_cfgi_all());
  put_command(1, spec::cmd_sync());
  write(reg::cmdq_prod, 2);
  EXPECT_THAT(steps(), ElementsAre(command_step(spec::cmd_cfgi_all(), false),
                                   command_step(spec::cmd_sync(), true)));
}

TEST_F(CaseWriterTest, WaitingIsWhatItCameTo) {
  queue_on();
  put_command(0, spec::cmd_sync());
  write(reg::cmdq_prod, 1);
  read(reg::cmdq_cons, 0);
  read(reg::cmdq_cons, 0);
  read(reg::cmdq_cons, 1);
  read(reg::cr0ack, 0);
  read(reg::cr0ack, 9);
  EXPECT_THAT(steps(), ElementsAre(command_step(spec::cmd_sync(), true), Step{StepKind::drain},
                                   Step{StepKind::await, reg::cr0ack, 9, 4}));
}

TEST_F(CaseWriterTest, PartsOfAWordAreTheWordThatIsThen) {
  const u64 pa = device_.structures_pa;
  store(pa, 0x1122334455667788);
  event(trace::Store{.pa = pa + 2, .size = 2, .value = 0xabcd});
  EXPECT_THAT(steps(), ElementsAre(Step{StepKind::store, pa, 0x1122334455667788},
                                   Step{StepKind::store, pa, 0x11223344abcd7788}));
}

TEST_F(CaseWriterTest, AMessageOfCmdSyncIsWaitedForByCons) {
  queue_on();
  spec::CommandWords words = spec::encode_command(spec::cmd_sync());
  store(queue(), words.dw0 | u64{1} << 12 | u64{7} << 32);
  store(queue() + 8, device_.structures_pa + 0x2000);
  write(reg::cmdq_prod, 1);
  EXPECT_THAT(steps(), ElementsAre(command_step(spec::cmd_sync(), true), Step{StepKind::drain}));
}

TEST_F(CaseWriterTest, TheEventQueueIsPolled) {
  queue_on();
  read(reg::eventq_prod, 3);
  write(reg::eventq_cons, 3);
  EXPECT_THAT(steps(), ElementsAre(Step{StepKind::poll}));
}

TEST_F(CaseWriterTest, BarriersStay) {
  store(device_.structures_pa, 1);
  event(trace::Barrier{.kind = trace::BarrierKind::full});
  event(trace::Barrier{.kind = trace::BarrierKind::full});
  EXPECT_THAT(steps(), ElementsAre(Step{StepKind::store, device_.structures_pa, 1},
                                   Step{StepKind::barrier}));
}

TEST_F(CaseWriterTest, EndsWhereTheDeviceHasNoMemoryOrAQueueMoves) {
  store(device_.structures_pa - 8, 1);
  EXPECT_THAT(writer_.ended(), HasSubstr("is not in the device's memory"));
  const CaseWriter fresh(device_, caches_);
  writer_.go_back(fresh);
  queue_on();
  write(reg::cmdq_base, (queue() + 0x1000) | 2, 8);
  EXPECT_EQ(writer_.ended(), "a queue is moved");
}

TEST_F(CaseWriterTest, AccessesAreThoseThatEnginesCanMake) {
  spec::Access access{.sid = device_.sids[1], .type = spec::AccessType::write, .va = 0x1004};
  writer_.access(access);
  EXPECT_THAT(steps(), ElementsAre(Step{StepKind::access, 0x1004, 1, 1}));
  device_.ats = false;
  writer_.request(access);
  EXPECT_EQ(steps().size(), 1U);
  device_.ats = true;
  writer_.request(access);
  EXPECT_EQ(steps().back(), (Step{StepKind::request, 0x1004, 1, 1}));
  access.sid = 0xffff;
  writer_.access(access);
  access.sid = device_.sids[0];
  device_.sends_substreams = false;
  access.ssv = true;
  writer_.access(access);
  access.ssv = false;
  device_.iova_end = 0x1000;
  writer_.access(access);
  EXPECT_EQ(steps().size(), 2U);
}

/// How often it reads is the device's affair.
std::vector<std::string> done_by_the_driver(const Run& run) {
  std::vector<std::string> done;
  for (const trace::Event& event : run.trace.events) {
    if (!std::holds_alternative<trace::MmioRead>(event.payload)) {
      done.push_back(trace::to_json(event));
    }
  }
  return done;
}

/// One write of CMDQ_PROD for a batch, and a trace that is the same case.
TEST(DriversSteps, RunAndComeBackFromTheirTrace) {
  SpecDevice device(1);
  CaseBuilder builder(device.identity(), "batch");
  Case what = builder.take();
  const spec::CommandWords all = spec::encode_command(spec::cmd_cfgi_all());
  const spec::CommandWords sync = spec::encode_command(spec::cmd_sync());
  what.steps.push_back({StepKind::command, all.dw0, all.dw1, 1});
  what.steps.push_back({StepKind::command, sync.dw0, sync.dw1});
  what.steps.push_back({StepKind::drain});
  what.steps.push_back({StepKind::store, device.identity().structures_pa, 0});
  what.steps.push_back({StepKind::barrier});
  what.steps.push_back({StepKind::await, reg::cr0ack, 0xc, 4});
  what.boot_commands = 3;
  const auto run = run_case(device, what);
  ASSERT_TRUE(run) << run.error().message;
  u64 writes = 0, barriers = 0;
  for (const trace::Event& event : run->trace.events) {
    const auto* write = std::get_if<trace::MmioWrite>(&event.payload);
    writes += write != nullptr && write->offset == reg::cmdq_prod ? 1 : 0;
    barriers += std::holds_alternative<trace::Barrier>(event.payload) ? 1 : 0;
  }
  EXPECT_EQ(writes, 4U) << "of bring-up three";
  EXPECT_EQ(barriers, 1U);
  const auto again = case_of(run->trace, "again");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->boot_commands, 3U);
  SpecDevice other(1);
  const auto twice = run_case(other, *again);
  ASSERT_TRUE(twice) << twice.error().message;
  EXPECT_EQ(done_by_the_driver(*twice), done_by_the_driver(*run));
}

}  // namespace
}  // namespace iommucheck::oracle::case_writer_test
