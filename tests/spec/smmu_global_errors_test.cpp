// SPDX-License-Identifier: MIT
// Errors of GERROR beside CMDQ_ERR: which an SMMU may show, what follows, and what a driver owes
// them. IHI 0070 3.18, 6.3.19 to 6.3.21, 7.2.2, 7.5, 8.2.
#include <gtest/gtest.h>

#include "smmu_device_support.h"

namespace iommucheck::spec::smmu_global_errors_test {
namespace {

constexpr u64 word = DriverMachine::eventq + 0x800;  // of nobody
constexpr u64 all_sources = irq_ctrl::gerror_irqen | irq_ctrl::eventq_irqen | irq_ctrl::priq_irqen;

Capabilities with_messages() {
  Capabilities caps = full_capabilities();
  caps.msi = caps.pri = true;
  caps.priqs = 4;
  return caps;
}

EventRecord a_record(bool stall = false) {
  EventFields fields;
  fields.sid = 1;
  fields.stall = stall;
  if (stall) fields.stag = 3;
  return record_of(EventType::f_translation, fields);
}

struct GlobalErrors : ::testing::Test {
  DriverMachine m{with_messages()};

  void SetUp() override { m.boot(); }
  /// Messages of interrupts go there; 0: there are none.
  void interrupts(u64 sources, u64 pa) {
    for (const u32 cfg : {reg::gerror_irq_cfg0, reg::eventq_irq_cfg0, reg::priq_irq_cfg0}) {
      m.write(cfg, pa, 8);
    }
    m.write(reg::irq_ctrl, sources);
    while (m.read(reg::irq_ctrlack) != sources) {
    }
  }
  /// What a handler does with an error.
  void acknowledge() { m.write(reg::gerrorn, m.read(reg::gerror)); }
  void sync_by_message(u64 pa) {
    m.slot(cmd_sync(1, pa, 7));
    m.ring();
  }
};

TEST_F(GlobalErrors, AreAcknowledgedByTheHandlerOfTheNextInterrupt) {
  interrupts(all_sources, 0);
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(m.smmu.abort(gerror::eventq_abt_err));
    EXPECT_FALSE(m.smmu.abort(gerror::eventq_abt_err)) << "it is active";
    EXPECT_TRUE(m.smmu.take_error_interrupt());
    EXPECT_FALSE(m.smmu.take_error_interrupt());
    m.smmu.interrupt_of_error();
    acknowledge();
    m.smmu.interrupt_of_error();  // a late one
    EXPECT_EQ(m.read(reg::gerror) ^ m.read(reg::gerrorn), 0U);
  }
  EXPECT_EQ(m.broken(), "");
}

TEST_F(GlobalErrors, ThatNobodyAcknowledgesAreFound) {
  interrupts(all_sources, 0);
  m.smmu.abort(gerror::eventq_abt_err);
  m.smmu.interrupt_of_error();
  m.read(reg::gerror);
  m.smmu.interrupt_of_error();
  EXPECT_EQ(m.broken(), "") << "its handler may do it";
  m.smmu.interrupt_of_error();
  EXPECT_EQ(m.broken(), "GERROR_ACK");
}

// A driver that waits for commands reads GERROR, too; the handler of the error is another.
TEST_F(GlobalErrors, MayBeReadBeforeTheirInterruptComes) {
  interrupts(all_sources, 0);
  m.smmu.interrupt_of_error();
  m.smmu.abort(gerror::eventq_abt_err);
  m.read(reg::gerror);
  m.smmu.interrupt_of_error();
  acknowledge();
  m.smmu.interrupt_of_error();
  m.smmu.interrupt_of_error();
  EXPECT_EQ(m.broken(), "");
}

// The second one is GERROR = 0, GERRORN = 1: who writes what is active changes nothing.
TEST_F(GlobalErrors, AreAcknowledgedByTheValueOfGerror) {
  interrupts(all_sources, 0);
  for (int i = 0; i < 2; ++i) {
    m.smmu.abort(gerror::eventq_abt_err);
    m.smmu.interrupt_of_error();
    m.write(reg::gerrorn, m.read(reg::gerror) ^ m.read(reg::gerrorn));
  }
  EXPECT_NE(m.read(reg::gerror), m.read(reg::gerrorn));
  m.smmu.interrupt_of_error();
  m.smmu.interrupt_of_error();
  EXPECT_EQ(m.broken(), "GERROR_ACK");
}

TEST_F(GlobalErrors, OfACommandAreForWhoeverWaits) {
  interrupts(all_sources, 0);
  m.slot(CommandWords{0xff, 0});
  m.ring();
  for (int i = 0; i < 3; ++i) {
    m.smmu.interrupt_of_error();
    m.read(reg::gerror);
  }
  EXPECT_EQ(m.broken(), "QUEUE_COMMAND_ILLEGAL");
}

// IHI 0070 7.2.1.
TEST_F(GlobalErrors, KeepRecordsOutUntilTheyAreAcknowledged) {
  interrupts(all_sources, 0);
  m.smmu.abort(gerror::eventq_abt_err);
  EXPECT_EQ(m.smmu.record_event(a_record()), Delivery::discarded);
  EXPECT_EQ(m.smmu.record_event(a_record(true)), Delivery::waits);
  EXPECT_EQ(m.read(reg::page1 + reg::eventq_prod), 0U);
  acknowledge();
  EXPECT_EQ(m.smmu.record_event(a_record()), Delivery::written);
}

TEST_F(GlobalErrors, ComeOfAccessesThatAreMade) {
  interrupts(irq_ctrl::gerror_irqen, 0);
  EXPECT_FALSE(m.smmu.abort(gerror::priq_abt_err)) << "PRIQEN = 0";
  m.smmu.record_event(a_record());
  EXPECT_FALSE(m.smmu.abort(gerror::msi_eventq_abt)) << "no message";
  EXPECT_FALSE(m.smmu.abort(gerror::msi_gerror_abt));
  EXPECT_EQ(m.read(reg::gerror), 0U);
}

TEST_F(GlobalErrors, OfMessagesComeInTheirPlace) {
  interrupts(all_sources, word);
  EXPECT_FALSE(m.smmu.abort(gerror::msi_eventq_abt)) << "no interrupt is due";
  m.smmu.record_event(a_record());
  EXPECT_TRUE(m.smmu.abort(gerror::msi_eventq_abt));
  EXPECT_EQ(m.read(reg::gerror), u64{gerror::msi_eventq_abt});
  EXPECT_TRUE(m.smmu.abort(gerror::msi_gerror_abt)) << "that of the error";
  EXPECT_FALSE(m.smmu.take_error_interrupt()) << "nothing tells of it (7.5.1)";
}

TEST_F(GlobalErrors, OfTheMessageOfAPageRequest) {
  m.write(reg::priq_base, DriverMachine::priq | DriverMachine::priq_lg2, 8);
  m.write(reg::page1 + reg::priq_prod, 0);
  m.write(reg::page1 + reg::priq_cons, 0);
  m.cr0(cr0::cmdqen | cr0::eventqen | cr0::priqen | cr0::smmuen);
  interrupts(all_sources, word);
  const PageRequest request{.sid = 1, .address = 0x1000, .last = true, .read = true};
  const auto ask = [&] {
    m.smmu.take_page_request(
        request, page_request_outcomes(request, m.smmu.page_queue(), with_messages(), {}).front());
  };
  EXPECT_FALSE(m.smmu.abort(gerror::msi_priq_abt)) << "nobody has asked";
  ask();
  EXPECT_TRUE(m.smmu.abort(gerror::msi_priq_abt));
  acknowledge();
  ask();
  EXPECT_FALSE(m.smmu.abort(gerror::msi_priq_abt)) << "the queue was not empty";
  EXPECT_TRUE(m.smmu.abort(gerror::priq_abt_err));
  EXPECT_TRUE(m.smmu.page_queue().aborted);
  EXPECT_EQ(m.broken(), "");
}

TEST_F(GlobalErrors, AMessageOfACommandIsLost) {
  sync_by_message(word);
  EXPECT_TRUE(m.smmu.abort(gerror::msi_cmdq_abt));
  m.smmu.consume_unseen(m.choices);
  EXPECT_FALSE(m.smmu.due_message(m.choices).has_value());
  EXPECT_TRUE(m.smmu.take_lost_message());
  EXPECT_FALSE(m.smmu.take_lost_message());
  EXPECT_EQ(m.read(reg::gerror), u64{gerror::msi_cmdq_abt});
  EXPECT_EQ(m.read(reg::cmdq_cons), 1U) << "its CMD_SYNC is consumed all the same";
  acknowledge();
  sync_by_message(word);
  m.smmu.consume_unseen(m.choices);
  EXPECT_TRUE(m.smmu.due_message(m.choices).has_value()) << "the next one comes";
}

// ---- as a judge: no abort of a message that nobody has configured -------------------------------

TEST_F(GlobalErrors, OfNoMessageAreNoAnswer) {
  interrupts(all_sources, 0);
  for (const u64 error : {gerror::msi_cmdq_abt, gerror::msi_eventq_abt, gerror::msi_priq_abt,
                          gerror::msi_gerror_abt}) {
    EXPECT_FALSE(m.answer(reg::gerror, error)) << error;
    EXPECT_TRUE(m.answer(reg::gerror, 0));
  }
  EXPECT_EQ(m.broken(), "REGISTER_READ REGISTER_READ REGISTER_READ REGISTER_READ");
  sync_by_message(word);
  EXPECT_TRUE(m.answer(reg::gerror, gerror::msi_cmdq_abt));
}

TEST_F(GlobalErrors, OfAMessageAreAnAnswer) {
  interrupts(all_sources, word);
  EXPECT_TRUE(m.answer(reg::gerror, gerror::msi_eventq_abt));
  EXPECT_TRUE(m.answer(reg::gerror,
                       gerror::msi_eventq_abt | gerror::msi_priq_abt | gerror::msi_gerror_abt));
}

// The address resets to an UNKNOWN value (6.3.21).
TEST_F(GlobalErrors, OfAMessageThatNobodyHasWrittenAreAnAnswer) {
  m.write(reg::irq_ctrl, irq_ctrl::eventq_irqen);
  EXPECT_FALSE(m.answer(reg::gerror, gerror::msi_gerror_abt)) << "it is not enabled";
  EXPECT_TRUE(m.answer(reg::gerror, gerror::msi_eventq_abt));
}

}  // namespace
}  // namespace iommucheck::spec::smmu_global_errors_test
