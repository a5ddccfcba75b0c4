// SPDX-License-Identifier: MIT
// Global errors of a device: which are legal answers, and what follows from them. IHI
// 0070 7.1, 7.5.
#include <gtest/gtest.h>

#include "smmu_device_support.h"

namespace iommucheck::spec::smmu_judge_test {
namespace {

constexpr u64 ill = u64{1} << 24, abt = u64{2} << 24, atc = u64{3} << 24;

/// TLBI, ATC_INV and CMD_SYNC are rung; the page is unmapped.
struct Errors : ::testing::Test {
  DriverMachine m;

  void SetUp() override {
    m.memory.ste(1, make_stage1_ste({.s1contextptr = SmallMachine::cds, .eats = 1}));
    m.caches().set_ats(1, true);
    m.boot();
    m.memory.store(SmallMachine::leaves + 8, 0);
    m.slot(cmd_tlbi_nh_va(0, 5, 0x1000));
    m.slot(cmd_sync());
    m.slot(SmallMachine::atc_inv(1, 0x1000, 0));
    m.slot(cmd_sync());
    m.ring();
    EXPECT_EQ(by_atc(), "0 denied");
  }
  std::string untranslated() {
    return m.memory.text({.sid = 1, .va = 0x1000, .route = Route::untranslated});
  }
  std::string by_atc() {
    return m.memory.text({.sid = 1, .va = 0x1000, .route = Route::translated});
  }
  bool error() { return m.answer(reg::gerror, gerror::cmdq_err); }
  void acknowledge() { m.write(reg::gerrorn, gerror::cmdq_err); }
};

// A time-out of an endpoint is a legal answer.
TEST_F(Errors, AtcInvSyncLeavesTheEntryAlive) {
  EXPECT_TRUE(error());
  EXPECT_TRUE(m.consumed(3 | atc));
  EXPECT_EQ(m.broken(), "");
  EXPECT_EQ(untranslated(), "F_TRANSLATION") << "the first CMD_SYNC is complete";
  EXPECT_EQ(by_atc(), "0 denied");
  acknowledge();
  EXPECT_TRUE(m.consumed(4));
  EXPECT_EQ(by_atc(), "0 denied") << "the CMD_SYNC does not wait for it any more";
  m.slot(SmallMachine::atc_inv(1, 0x1000, 0));
  m.slot(cmd_sync());
  m.ring();
  EXPECT_TRUE(m.consumed(6));
  EXPECT_EQ(by_atc(), "denied");
  EXPECT_EQ(m.broken(), "");
}

TEST_F(Errors, AtcInvSyncIsOfACmdSyncAfterAnAtcInv) {
  EXPECT_TRUE(error());
  EXPECT_TRUE(m.consumed(2 | atc));  // that is the ATC_INV itself
  EXPECT_EQ(m.broken(), "COMMAND_LEGAL");
}

TEST_F(Errors, AnAbortIsLegalWhereNoMemoryIsKnown) {
  EXPECT_TRUE(error());
  EXPECT_TRUE(m.consumed(0 | abt));
  EXPECT_EQ(m.broken(), "");
  acknowledge();
  EXPECT_TRUE(m.consumed(4));
  EXPECT_EQ(untranslated(), "F_TRANSLATION");
  EXPECT_EQ(by_atc(), "denied");
}

TEST_F(Errors, AnAbortOfMemoryThatIsThere) {
  m.smmu.memory_is(0, u64{1} << 32);
  EXPECT_TRUE(error()) << "an ATC_INV is open";
  EXPECT_TRUE(m.consumed(0 | abt));
  EXPECT_EQ(m.broken(), "COMMAND_LEGAL");
}

TEST_F(Errors, ALegalCommandIsNotRefused) {
  EXPECT_TRUE(error());
  EXPECT_TRUE(m.consumed(0 | ill));
  EXPECT_EQ(m.broken(), "COMMAND_LEGAL");
}

TEST_F(Errors, NothingMayBeRefusedInMemoryThatIsThere) {
  EXPECT_TRUE(m.consumed(4));
  m.smmu.memory_is(0, u64{1} << 32);
  m.slot(cmd_sync());
  m.ring();
  EXPECT_TRUE(error());
  EXPECT_EQ(m.broken(), "COMMAND_LEGAL");
}

/// IHI 0070 4.5.1: a Size above that of all addresses is permitted to be CERROR_ILL.
TEST(SizeErrors, AnInvalidationOfMoreThanAllAddressesMayBeRefused) {
  for (const u64 size : {52U, 53U}) {
    DriverMachine m;
    m.boot();
    m.smmu.memory_is(0, u64{1} << 32);
    Command command;
    command.op = Opcode::atc_inv;
    command.sid = 1;
    command.size = size;
    m.slot(command);
    m.ring();
    (void)m.broken();
    EXPECT_TRUE(m.answer(reg::gerror, gerror::cmdq_err));
    EXPECT_TRUE(m.consumed(0 | ill));
    EXPECT_EQ(m.broken(), size > 52 ? "" : "COMMAND_LEGAL") << size;
  }
}

TEST(ReservedErrors, ReservedBitsMayBeRefused) {
  DriverMachine m;
  m.boot();
  m.smmu.memory_is(0, u64{1} << 32);
  CommandWords words = encode_command(cmd_cfgi_ste(1));
  words.dw1 |= 2;
  m.slot(words);
  m.ring();
  EXPECT_EQ(m.broken(), "COMMAND_RESERVED");
  EXPECT_TRUE(m.answer(reg::gerror, gerror::cmdq_err));
  EXPECT_TRUE(m.consumed(0 | ill));
  EXPECT_EQ(m.broken(), "");
}

/// A command that is illegal stands behind it. It is told of the one that was refused.
TEST(ReservedErrors, OneThatIsRefusedBeforeAnIllegalOne) {
  for (const bool may : {false, true}) {
    DriverMachine m;
    m.boot();
    m.smmu.memory_is(0, u64{1} << 32);
    CommandWords words = encode_command(cmd_cfgi_ste(1));
    if (may) words.dw1 |= 2;  // a reserved bit
    m.slot(words);
    m.slot(CommandWords{0xff, 0});
    m.ring();
    (void)m.broken();
    EXPECT_TRUE(m.answer(reg::gerror, gerror::cmdq_err));
    EXPECT_TRUE(m.consumed(0 | ill));
    EXPECT_EQ(m.broken(), may ? "" : "COMMAND_LEGAL");
  }
}

// The other flags.
TEST_F(Errors, OtherFlagsAreLegalWhereTheyExist) {
  EXPECT_TRUE(m.answer(reg::gerror, gerror::sfm_err));
  EXPECT_TRUE(m.answer(reg::gerror, gerror::sfm_err | gerror::eventq_abt_err));
  EXPECT_FALSE(m.smmu.records_events());
  EXPECT_FALSE(m.answer(reg::gerror, gerror::sfm_err)) << "an active one stays";
  DriverMachine without;
  without.boot();
  EXPECT_FALSE(without.answer(reg::gerror, gerror::msi_cmdq_abt)) << "IDR0.MSI = 0";
  without.smmu.memory_is(0, u64{1} << 32);
  EXPECT_FALSE(without.answer(reg::gerror, gerror::eventq_abt_err)) << "the queue is in memory";
}

TEST_F(Errors, TheDeviceRaisesWhatItMay) {
  m.smmu.draw_command_errors();
  m.choices.answers = {0, 2};  // progress; CERROR_ATC_INV_SYNC
  EXPECT_EQ(m.read(reg::cmdq_cons), 3 | atc);
  EXPECT_EQ(m.read(reg::gerror), u64{gerror::cmdq_err});
  EXPECT_EQ(by_atc(), "0 denied");
  acknowledge();
  m.choices.answers = {0, 2, 0, 1};
  EXPECT_EQ(m.read(reg::cmdq_cons), 3 | abt);
  EXPECT_EQ(m.broken(), "");
}

}  // namespace
}  // namespace iommucheck::spec::smmu_judge_test
