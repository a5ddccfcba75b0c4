// SPDX-License-Identifier: MIT
// One step too early, one too many: what a driver may not do to registers and queues, each beside
// the same step at the right time. IHI 0070 3.5.1, 4.6.1, 6.3.9, 6.3.15, 7.4.
#include <gtest/gtest.h>

#include "smmu_device_support.h"

namespace iommucheck::spec::smmu_protocol_test {
namespace {

constexpr u64 queues_on = cr0::cmdqen | cr0::eventqen;

TEST(Protocol, ABaseIsWrittenOnceTheDisableIsAcknowledged) {
  for (const bool waits : {true, false}) {
    DriverMachine m;
    m.boot();
    m.cr0(cr0::cmdqen | cr0::smmuen);
    m.cr0(cr0::cmdqen);
    m.write(reg::cr0, 0);
    if (waits) m.read(reg::cr0ack);
    if (waits) m.read(reg::cr0ack);
    while (waits && m.read(reg::cr0ack) != 0) {
    }
    EXPECT_EQ(m.broken(), "");
    m.write(reg::cmdq_base, DriverMachine::cmdq | DriverMachine::cmdq_lg2, 8);
    EXPECT_EQ(m.broken().empty(), waits);
  }
}

TEST(Protocol, CR0ChangesOnceItsLastChangeIsAcknowledged) {
  DriverMachine m;
  m.set_up_queues();
  m.write(reg::cr0, queues_on);
  m.write(reg::cr0, cr0::eventqen);
  EXPECT_EQ(m.broken(), "REGISTER_ACK");
  DriverMachine other;
  other.set_up_queues();
  other.cr0(queues_on);
  other.write(reg::cr0, cr0::eventqen);
  EXPECT_EQ(other.broken(), "");
}

TEST(Protocol, AsManyCommandsAsTheQueueHolds) {
  DriverMachine m;
  m.boot();
  m.smmu.set_stuck(true);
  for (unsigned i = 0; i < pow2(DriverMachine::cmdq_lg2); ++i) m.slot(cmd_tlbi_nsnh_all());
  m.ring();
  EXPECT_EQ(m.broken(), "");
  m.write(reg::cmdq_prod, (m.prod + 1) & (2 * pow2(DriverMachine::cmdq_lg2) - 1));
  EXPECT_EQ(m.broken(), "QUEUE_OVERRUN");
}

TEST(Protocol, NoExposedSlotIsWritten) {
  for (u64 slot = 0; slot < 4; ++slot) {
    DriverMachine m;
    m.boot();
    m.smmu.set_stuck(true);
    for (unsigned i = 0; i < 3; ++i) m.slot(cmd_tlbi_nsnh_all());
    m.ring();
    EXPECT_EQ(m.broken(), "");
    m.smmu.before_store(DriverMachine::cmdq + 16 * slot);
    EXPECT_EQ(m.broken(), slot < 3 ? "QUEUE_SLOT_LIVE" : "") << slot;
  }
}

TEST(Protocol, GerrornAcknowledgesWhatIsActive) {
  DriverMachine m;
  m.boot();
  m.slot(CommandWords{0xff, 0});  // no command
  m.ring();
  EXPECT_EQ(m.broken(), "QUEUE_COMMAND_ILLEGAL");
  const u64 active = m.read(reg::gerror) ^ m.read(reg::gerrorn);
  EXPECT_EQ(active, u64{gerror::cmdq_err});
  m.write(reg::gerrorn, gerror::eventq_abt_err);
  EXPECT_EQ(m.broken(), "REGISTER_GERRORN");
}

/// IHI 0070 6.3.14.
TEST(Protocol, GbpaIsWrittenWithUpdateOnceItsLastOneIsDone) {
  for (const u64 update : {u64{gbpa::update}, u64{0}}) {
    DriverMachine m;
    m.set_up_queues();
    m.write(reg::gbpa, gbpa::abort | update);
    EXPECT_EQ(m.broken(), update != 0 ? "" : "REGISTER_GBPA_UPDATE");
  }
  for (const bool waits : {true, false}) {
    DriverMachine m;
    m.set_up_queues();
    m.write(reg::gbpa, gbpa::abort | gbpa::update);
    while (waits && (m.read(reg::gbpa) & gbpa::update) != 0) {
    }
    m.write(reg::gbpa, gbpa::update);
    EXPECT_EQ(m.broken(), waits ? "" : "REGISTER_GBPA_UPDATE");
  }
}

TEST(Protocol, OneOverflowIsShownOnce) {
  DriverMachine m;
  m.boot();
  EventFields fields;
  fields.sid = 1;
  const EventRecord record = record_of(EventType::f_translation, fields);
  for (unsigned i = 0; i < pow2(DriverMachine::eventq_lg2); ++i) m.smmu.record_event(record);
  EXPECT_FALSE(m.smmu.event_overflow());
  m.smmu.record_event(record);
  EXPECT_TRUE(m.smmu.event_overflow());
  m.smmu.record_event(record);
  EXPECT_TRUE(m.smmu.event_overflow()) << "not acknowledged: it does not toggle back";
}

TEST(Protocol, ResumeEndsTheStallThatItNames) {
  Capabilities caps = full_capabilities();
  caps.stall_max = 4;
  DriverMachine m(caps);
  m.boot();
  const auto first = m.smmu.begin_stall(1, 0, false);
  const auto second = m.smmu.begin_stall(1, 0, false);
  ASSERT_TRUE(first && second);
  Command resume;
  resume.op = Opcode::resume;
  resume.sid = 1;
  resume.stag = *first;
  m.slot(resume);
  m.slot(Command{.op = Opcode::sync});
  m.ring();
  while (m.read(reg::cmdq_cons) != m.prod) {
  }
  EXPECT_EQ(m.broken(), "");
  EXPECT_TRUE(m.smmu.has_stall(1, 0, false)) << "the other one still waits";
}

}  // namespace
}  // namespace iommucheck::spec::smmu_protocol_test
