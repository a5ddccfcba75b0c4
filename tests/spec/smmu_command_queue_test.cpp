// SPDX-License-Identifier: MIT
// The command queue disabled, emptied and enabled again. IHI 0070 6.3.9.3, 6.3.26 to 6.3.28.
#include <gtest/gtest.h>

#include "smmu_device_support.h"

namespace iommucheck::spec::smmu_command_queue_test {
namespace {

constexpr u64 second_leaf = SmallMachine::leaves + 16;
const Command first_page = cmd_tlbi_nh_va(0, 5, 0x1000);
const Command second_page = cmd_tlbi_nh_va(0, 5, 0x2000);

/// Page 1 is unmapped, its TLBI rung, and nothing of it observed as consumed.
struct QueueLife : ::testing::Test {
  DriverMachine m;

  void SetUp() override {
    m.boot();
    EXPECT_EQ(m.broken(), "");
    EXPECT_EQ(m.at(0x1000), "0");
    m.memory.store(SmallMachine::leaves + 8, 0);
    m.slot(first_page);
    m.slot(cmd_sync());
    m.ring();
    EXPECT_EQ(m.at(0x1000), "0 F_TRANSLATION");
  }
  void off() { m.cr0(cr0::eventqen | cr0::smmuen); }
  void on() { m.cr0(cr0::eventqen | cr0::smmuen | cr0::cmdqen); }
  void start_again() {
    m.write(reg::cmdq_prod, 0);
    m.write(reg::cmdq_cons, 0);
    m.prod = 0;
  }
};

// The completions of the queue's new life came n commands too late for ever after.
TEST_F(QueueLife, AfterAResetEachCmdSyncCompletesAtItsOwnPlace) {
  off();
  start_again();
  on();
  m.memory.store(second_leaf, 0);
  m.slot(first_page);
  m.slot(second_page);
  m.slot(cmd_sync());
  m.ring();
  EXPECT_TRUE(m.consumed(2));
  EXPECT_EQ(m.at(0x2000), "1 F_TRANSLATION");
  EXPECT_TRUE(m.consumed(3));
  EXPECT_EQ(m.at(0x1000), "F_TRANSLATION");
  EXPECT_EQ(m.at(0x2000), "F_TRANSLATION");
  EXPECT_EQ(m.broken(), "");
}

// The other direction: a dropped TLBI was believed with the next completed
// CMD_SYNC.
TEST_F(QueueLife, ALaterCmdSyncDoesNotBuryWhatADroppedTlbiWasToRemove) {
  off();
  start_again();
  on();
  m.slot(second_page);
  m.slot(cmd_sync());
  m.ring();
  EXPECT_TRUE(m.consumed(2));
  EXPECT_EQ(m.at(0x1000), "0 F_TRANSLATION");
  EXPECT_EQ(m.broken(), "");
}

TEST_F(QueueLife, OffAndOnWithoutAChangeGoesOnWhereItStopped) {
  off();
  on();
  EXPECT_EQ(m.at(0x1000), "0 F_TRANSLATION");
  EXPECT_TRUE(m.consumed(2));
  EXPECT_EQ(m.at(0x1000), "F_TRANSLATION");
  EXPECT_EQ(m.broken(), "");
}

TEST_F(QueueLife, WhatIsRungWhileTheQueueIsOffWaits) {
  EXPECT_TRUE(m.consumed(2));
  EXPECT_EQ(m.at(0x1000), "F_TRANSLATION");
  off();
  m.memory.store(second_leaf, 0);
  m.slot(second_page);
  m.slot(cmd_sync());
  m.ring();
  EXPECT_FALSE(m.consumed(4));
  EXPECT_EQ(m.at(0x2000), "1 F_TRANSLATION");
  on();
  EXPECT_TRUE(m.consumed(4));
  EXPECT_EQ(m.at(0x2000), "F_TRANSLATION");
}

TEST_F(QueueLife, WhatWasConsumedBeforeAndSyncedAfterTheResetIsDone) {
  EXPECT_TRUE(m.consumed(1));
  off();
  start_again();
  on();
  m.slot(cmd_sync());
  m.ring();
  EXPECT_TRUE(m.consumed(1));
  EXPECT_EQ(m.at(0x1000), "F_TRANSLATION");
}

TEST_F(QueueLife, ProdTakenBackToTheConsThatWasRead) {
  off();
  EXPECT_TRUE(m.consumed(1));
  EXPECT_FALSE(m.consumed(2)) << "off, it consumes nothing";
  m.write(reg::cmdq_prod, 1);
  m.prod = 1;
  on();
  m.slot(second_page);
  m.slot(cmd_sync());
  m.ring();
  EXPECT_TRUE(m.consumed(3));
  EXPECT_EQ(m.at(0x1000), "F_TRANSLATION");
  EXPECT_EQ(m.broken(), "REGISTER_READ");  // of the device that consumed while off
}

TEST_F(QueueLife, ProdTakenBackWithoutLookingAtCons) {
  off();
  m.write(reg::cmdq_prod, 0);
  m.prod = 0;
  on();
  EXPECT_EQ(m.broken(), "QUEUE_PROD_BACK");
}

/// While a command error is active the commands behind it may be taken back. IHI 0070 7.1.
TEST_F(QueueLife, ProdTakenBackToACommandError) {
  m.slot(CommandWords{0xff, 0});  // no command
  m.slot(second_page);
  m.ring();
  m.broken();
  ASSERT_NE(m.read(reg::cmdq_cons) >> 24, 0U) << "it stopped there";
  m.write(reg::cmdq_prod, m.prod - 1);
  EXPECT_EQ(m.broken(), "");
}

TEST_F(QueueLife, ARewrittenSlotIsANewCommand) {
  off();
  EXPECT_TRUE(m.consumed(0));
  m.prod = 0;
  m.slot(second_page);
  m.prod = 2;
  on();
  EXPECT_TRUE(m.consumed(2));
  EXPECT_EQ(m.at(0x1000), "0 F_TRANSLATION");
  EXPECT_EQ(m.broken(), "");
}

TEST_F(QueueLife, AnythingDroppedIsUndoneToo) {
  const auto mark = m.caches().trail().mark();
  off();
  start_again();
  on();
  m.caches().trail().undo_to(mark);
  EXPECT_TRUE(m.consumed(2));
  EXPECT_EQ(m.at(0x1000), "F_TRANSLATION");
}

}  // namespace
}  // namespace iommucheck::spec::smmu_command_queue_test
