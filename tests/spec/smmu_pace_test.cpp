// SPDX-License-Identifier: MIT
// How the specification behaves as a device when somebody says so: how it consumes, where it stops,
// which CMD_SYNC an endpoint fails.
#include <gtest/gtest.h>

#include "smmu_device_support.h"

namespace iommucheck::spec {
namespace {

constexpr u64 capacity = pow2(DriverMachine::cmdq_lg2);

void put(DriverMachine& m, unsigned count) {
  for (unsigned i = 0; i < count; ++i) m.slot(cmd_tlbi_nsnh_all());
}

std::vector<u64> looks(DriverMachine& m, unsigned count) {
  std::vector<u64> seen;
  for (unsigned i = 0; i < count; ++i) seen.push_back(m.read(reg::cmdq_cons));
  return seen;
}

TEST(Pace, SoManyCommandsBehindSoManyLooks) {
  DriverMachine m;
  m.boot();
  m.choices.answers.assign(100, 0);  // not asked
  m.smmu.set_pace({.looks = 2, .commands = 3});
  put(m, 7);
  m.ring();
  EXPECT_EQ(looks(m, 10), (std::vector<u64>{0, 0, 3, 3, 3, 6, 6, 6, 7, 7}));
  m.smmu.set_pace({});
  put(m, 5);
  m.ring();
  EXPECT_EQ(m.read(reg::cmdq_cons), 12U);
  EXPECT_EQ(m.broken(), "");
}

/// Who looks before each command fills the queue all the same: each command begins the looks anew.
TEST(Pace, APollingDriverFillsTheQueue) {
  DriverMachine m;
  m.boot();
  m.smmu.set_pace({.looks = 2, .commands = 1});
  for (unsigned i = 0; i < capacity; ++i) {
    EXPECT_EQ(m.read(reg::cmdq_cons), 0U) << i;
    put(m, 1);
    m.ring();
  }
  EXPECT_EQ(looks(m, 3), (std::vector<u64>{0, 0, 1}));
}

/// The same value once more is no new command: nobody waits for ever.
TEST(Pace, WhoRingsAgainIsNotKeptWaiting) {
  DriverMachine m;
  m.boot();
  m.smmu.set_pace({.looks = 2});
  put(m, 1);
  std::vector<u64> seen;
  for (unsigned i = 0; i < 3; ++i) {
    m.ring();
    seen.push_back(m.read(reg::cmdq_cons));
  }
  EXPECT_EQ(seen, (std::vector<u64>{0, 0, 1}));
}

TEST(Pace, RegistersAreAcknowledgedBehindSoManyLooks) {
  DriverMachine m;
  m.boot();
  const u64 before = m.read(reg::cr0ack);
  m.smmu.set_acknowledgement(3);
  m.write(reg::cr0, before & ~u64{cr0::eventqen});
  EXPECT_EQ((std::vector<u64>{m.read(reg::cr0ack), m.read(reg::cr0ack), m.read(reg::cr0ack)}),
            (std::vector<u64>{before, before, before}));
  EXPECT_EQ(m.read(reg::cr0ack), before & ~u64{cr0::eventqen});
}

/// A driver that counts few looks, with a pause behind each, has waited as long as one of many.
TEST(Pace, TimeThatPassesIsAsGoodAsLooks) {
  DriverMachine m;
  m.boot();
  m.smmu.set_pace({.looks = 9, .commands = 0});
  put(m, 2);
  m.ring();
  m.smmu.time_passes(8);
  EXPECT_EQ(looks(m, 3), (std::vector<u64>{0, 2, 2}));
  const u64 before = m.read(reg::cr0ack);
  m.smmu.set_acknowledgement(3);
  m.write(reg::cr0, before & ~u64{cr0::eventqen});
  EXPECT_EQ(m.read(reg::cr0ack), before);
  m.smmu.time_passes(~u64{0});
  EXPECT_EQ(m.read(reg::cr0ack), before & ~u64{cr0::eventqen});
}

TEST(Pace, ItStopsAtACommandOrASync) {
  for (const bool at_sync : {false, true}) {
    DriverMachine m;
    m.boot();
    put(m, 2);
    m.ring();
    EXPECT_EQ(m.read(reg::cmdq_cons), 2U);
    at_sync ? m.smmu.stop_at_sync(2) : m.smmu.stop_at_command(4);
    put(m, 1);
    m.slot(Command{.op = Opcode::sync});
    put(m, 1);
    m.ring();
    EXPECT_EQ(m.read(reg::cmdq_cons), 5U);
    EXPECT_FALSE(m.smmu.has_stopped()) << "there is nothing yet that it does not consume";
    m.slot(Command{.op = Opcode::sync});
    put(m, 1);
    m.ring();
    EXPECT_EQ(looks(m, 4), std::vector<u64>(4, 5)) << at_sync;
    EXPECT_TRUE(m.smmu.has_stopped());
    m.smmu.set_stuck(true);
    EXPECT_EQ(m.read(reg::cmdq_cons), 5U);
    m.smmu.set_stuck(false);
    EXPECT_FALSE(m.smmu.has_stopped());
    EXPECT_EQ(m.read(reg::cmdq_cons), 7U);
    EXPECT_EQ(m.broken(), "");
  }
}

TEST(Pace, WhatWasNotReachedIsToldInWhatIsLeft) {
  DriverMachine m;
  m.boot();
  m.smmu.stop_at_command(5);
  put(m, 3);
  m.ring();
  EXPECT_EQ(m.smmu.take_stop().command, 2U);
  EXPECT_EQ(m.smmu.take_stop().command, 0U);
  m.smmu.stop_at_sync(2);
  m.slot(Command{.op = Opcode::sync});
  m.ring();
  EXPECT_EQ(m.smmu.take_stop().sync, 1U);
  EXPECT_EQ(m.read(reg::cmdq_cons), 4U);
}

TEST(Pace, TheSyncThatAnEndpointFails) {
  DriverMachine m;
  m.boot();
  m.smmu.fail_sync(2);
  for (unsigned n = 1; n <= 3; ++n) {
    put(m, 1);
    m.slot(Command{.op = Opcode::sync});  // no CMD_ATC_INV before it
    m.slot(Command{.op = Opcode::atc_inv, .sid = 1, .size = 52});
    m.slot(Command{.op = Opcode::sync});
    m.ring();
    const u64 cons = m.read(reg::cmdq_cons);
    if (n != 2) {
      EXPECT_EQ(cons & 0xf, (4 * n) & 0xf);
      continue;
    }
    EXPECT_EQ(cmdq_cons_err(static_cast<u32>(cons)), static_cast<u32>(CommandError::atc_inv_sync));
    EXPECT_EQ(cons & 0xf, 7U);
    m.write(reg::gerrorn, m.read(reg::gerror));
    EXPECT_EQ(m.read(reg::cmdq_cons) & 0xf, 8U);
  }
  EXPECT_EQ(m.broken(), "");
}

// An endpoint that stays silent: each CMD_SYNC fails that may, so many times in a row, and no
// other.
TEST(Pace, AnEndpointMayBeSilentForAWhile) {
  DriverMachine m;
  m.boot();
  m.smmu.fail_sync(2, 3);
  const auto fails = [&] {
    m.slot(Command{.op = Opcode::atc_inv, .sid = 1, .size = 52});
    m.slot(Command{.op = Opcode::sync});
    m.ring();
    const bool failed = cmdq_cons_err(static_cast<u32>(m.read(reg::cmdq_cons))) != 0;
    if (failed) m.write(reg::gerrorn, m.read(reg::gerror));
    m.slot(Command{.op = Opcode::sync});  // nothing before it may fail
    m.ring();
    EXPECT_EQ(m.read(reg::cmdq_cons) & 0x1f, m.prod & 0x1f);
    return failed;
  };
  std::string seen;
  for (unsigned n = 0; n < 6; ++n) seen += fails() ? 'x' : '.';
  EXPECT_EQ(seen, ".xxx..");
  m.smmu.fail_sync(1, 3);
  EXPECT_TRUE(fails());
  m.smmu.fail_no_sync();
  EXPECT_FALSE(fails());
  EXPECT_EQ(m.broken(), "");
}

TEST(Pace, IsPartOfTheState) {
  DriverMachine m;
  m.boot();
  put(m, 2);
  m.ring();
  const Trail::Mark mark = m.caches().trail().mark();
  m.smmu.set_pace({.looks = 9, .commands = 1});
  m.smmu.stop_at_command(1);
  EXPECT_EQ(m.read(reg::cmdq_cons), 0U);
  m.caches().trail().undo_to(mark);
  EXPECT_EQ(m.read(reg::cmdq_cons), 2U);
}

}  // namespace
}  // namespace iommucheck::spec
