// SPDX-License-Identifier: MIT
// Registers by what the ID registers claim: fields that exist, their acknowledgement, widths.
// IHI 0070 6.2, 6.3.
#include <gtest/gtest.h>

#include "smmu_device_support.h"

namespace iommucheck::spec::smmu_register_rules_test {
namespace {

constexpr u64 all_of_cr0 =
    cr0::smmuen | cr0::priqen | cr0::eventqen | cr0::cmdqen | cr0::atschk | 3 << 6;

Capabilities with(bool feature) {
  Capabilities caps = full_capabilities();
  caps.pri = caps.ats = caps.vmw = caps.hyp = caps.btm = caps.atsrecerr = caps.msi = feature;
  return caps;
}

// A driver that polls for a field that the device has not waits for ever.
TEST(RegisterFields, ReservedOnesAreNeverAcknowledged) {
  for (const bool feature : {false, true}) {
    DriverMachine m(with(feature));
    m.write(reg::strtab_base, SmallMachine::strtab, 8);
    m.write(reg::strtab_base_cfg, 4);
    m.write(reg::cr0, all_of_cr0);
    for (int i = 0; i < 20; ++i) m.read(reg::cr0ack);
    const u64 there = feature ? all_of_cr0 : cr0::smmuen | cr0::eventqen | cr0::cmdqen;
    EXPECT_EQ(m.read(reg::cr0ack), there);
    EXPECT_EQ(m.read(reg::cr0), there);
    m.write(reg::irq_ctrl, 7);
    EXPECT_EQ(m.read(reg::irq_ctrlack), feature ? 7U : 5U);
    EXPECT_EQ(m.broken(), "");
  }
}

// A judged device without these features may read them as 0, or as written.
TEST(RegisterFields, AJudgedDeviceReadsReservedOnesAsZeroOrAsWritten) {
  DriverMachine m(with(false));
  m.write(reg::cr0, all_of_cr0);
  const u64 there = cr0::smmuen | cr0::eventqen | cr0::cmdqen;
  EXPECT_TRUE(m.answer(reg::cr0, there));
  EXPECT_TRUE(m.answer(reg::cr0, all_of_cr0));
  EXPECT_FALSE(m.answer(reg::cr0, there | 1 << 20));
  EXPECT_FALSE(m.answer(reg::cr0, there & ~u64{cr0::smmuen}));
  EXPECT_FALSE(m.answer(reg::cr0ack, there | cr0::atschk)) << "not reflected in CR0ACK";
  EXPECT_TRUE(m.answer(reg::cr0ack, there));
}

TEST(RegisterFields, Cr2HasWhatTheIdRegistersClaim) {
  DriverMachine without(with(false));
  without.write(reg::cr2, 0xff);
  EXPECT_EQ(without.read(reg::cr2), u64{cr2::recinvsid});
  DriverMachine full(with(true));
  full.write(reg::cr2, 0xff);
  EXPECT_EQ(full.read(reg::cr2), 0xfU);
}

// Each field is independent.
TEST(RegisterFields, OneFieldOfCr0IsAcknowledgedBeforeTheOthers) {
  DriverMachine m;
  m.choices.answers = {2, 2};
  m.write(reg::cr0, cr0::cmdqen | cr0::eventqen | cr0::atschk);
  EXPECT_EQ(m.read(reg::cr0ack), u64{cr0::eventqen});
  EXPECT_EQ(m.read(reg::cr0ack), u64{cr0::eventqen | cr0::cmdqen});
  EXPECT_EQ(m.read(reg::cr0ack), u64{cr0::eventqen | cr0::cmdqen | cr0::atschk});
}

/// What TLBIs may leave alone is the less of both until the acknowledgement. 6.3.9.1.
TEST(RegisterFields, AVmidWildcardCountsOnceItIsAcknowledged) {
  DriverMachine m(with(true));
  m.write(reg::cr0, 3 << 6);
  EXPECT_EQ(m.caches().vmw(), 0U);
  m.read(reg::cr0ack);
  EXPECT_EQ(m.caches().vmw(), 3U);
  m.write(reg::cr0, 1 << 6);
  EXPECT_EQ(m.caches().vmw(), 1U);
  m.read(reg::cr0ack);
  m.write(reg::cr0, 7 << 6);  // reserved
  m.read(reg::cr0ack);
  EXPECT_EQ(m.caches().vmw(), 0U);
  DriverMachine without(with(false));
  without.write(reg::cr0, 3 << 6);
  without.read(reg::cr0ack);
  EXPECT_EQ(without.caches().vmw(), 0U);
}

// IHI 0070 6.3.27, 6.3.28, 6.3.95, 6.3.96: the indices of a queue reset to UNKNOWN values.
TEST(RegisterFields, AQueueBeginsWhereTheDriverSays) {
  for (const u32 left_out :
       {u32{0}, reg::cmdq_prod, reg::cmdq_cons, reg::eventq_prod, reg::eventq_cons}) {
    for (const bool reads : {false, true}) {
      DriverMachine m(with(false));
      m.smmu.driver_begins();
      for (const u32 index : {reg::cmdq_prod, reg::cmdq_cons, reg::eventq_prod, reg::eventq_cons}) {
        if (index != left_out) m.write(index, 0);
        if (index == left_out && reads) m.read(index);
      }
      m.write(reg::cr0, cr0::cmdqen);
      m.read(reg::cr0ack);
      m.write(reg::cr0, cr0::cmdqen | cr0::eventqen);
      EXPECT_EQ(m.broken(), left_out == 0 || reads ? "" : "UNKNOWN_AFTER_RESET") << left_out;
    }
  }
}

// IHI 0070 6.3.16, 6.3.21: where messages go resets to UNKNOWN values, which count once interrupts
// are enabled; 0 stands for wires, and then neither data nor attributes count.
TEST(RegisterFields, MessagesGoWhereTheDriverSays) {
  const auto enable = [](DriverMachine& m) {
    m.write(reg::irq_ctrl, irq_ctrl::eventq_irqen);
    return m.broken();
  };
  for (const bool messages : {false, true}) {
    DriverMachine unwritten(with(messages));
    EXPECT_EQ(enable(unwritten), "") << "nobody says that it is a driver's beginning";
    DriverMachine m(with(messages));
    m.smmu.driver_begins();
    m.write(reg::gerror_irq_cfg0, 0, 8);
    EXPECT_EQ(enable(m), messages ? "UNKNOWN_AFTER_RESET" : "") << "another source's";
  }
  DriverMachine wires(with(true));
  wires.smmu.driver_begins();
  wires.write(reg::eventq_irq_cfg0, 0);
  wires.write(reg::eventq_irq_cfg0 + 4, 0);
  EXPECT_EQ(enable(wires), "") << "by halves";
  DriverMachine half(with(true));
  half.smmu.driver_begins();
  half.write(reg::eventq_irq_cfg0, 0);
  EXPECT_EQ(enable(half), "UNKNOWN_AFTER_RESET");
  for (const bool data : {false, true}) {
    DriverMachine m(with(true));
    m.smmu.driver_begins();
    m.write(reg::eventq_irq_cfg0, 0x1000, 8);
    if (data) m.write(reg::eventq_irq_cfg1, 7);
    m.write(reg::eventq_irq_cfg2, 0xf);
    EXPECT_EQ(enable(m), data ? "" : "UNKNOWN_AFTER_RESET");
  }
  // A write that is ignored, while they are enabled, says nothing.
  DriverMachine late(with(true));
  late.smmu.driver_begins();
  EXPECT_EQ(enable(late), "UNKNOWN_AFTER_RESET");
  late.read(reg::irq_ctrlack);
  late.write(reg::eventq_irq_cfg0, 0, 8);
  EXPECT_EQ(late.broken(), "REGISTER_GUARDED");
  late.write(reg::irq_ctrl, 0);
  late.read(reg::irq_ctrlack);
  EXPECT_EQ(enable(late), "UNKNOWN_AFTER_RESET");
}

TEST(RegisterFields, IrqCtrlIsNotChangedBeforeItsAcknowledgement) {
  DriverMachine m;
  m.write(reg::irq_ctrl, irq_ctrl::eventq_irqen);
  m.write(reg::irq_ctrl, irq_ctrl::eventq_irqen | irq_ctrl::gerror_irqen);
  EXPECT_EQ(m.broken(), "") << "another field";
  m.write(reg::irq_ctrl, irq_ctrl::gerror_irqen);
  EXPECT_EQ(m.broken(), "REGISTER_ACK");
  m.read(reg::irq_ctrlack);
  m.write(reg::irq_ctrl, 0);
  EXPECT_EQ(m.broken(), "");
}

// Whether the first change was complete when the second came, nobody saw: the device may show
// either.
TEST(RegisterFields, AFieldOfIrqCtrlThatWasChangedTooEarlyShowsEitherChange) {
  for (const u64 shown : {u64{0}, u64{irq_ctrl::eventq_irqen}}) {
    DriverMachine m;
    m.write(reg::irq_ctrl, irq_ctrl::eventq_irqen);
    m.write(reg::irq_ctrl, 0);
    EXPECT_EQ(m.broken(), "REGISTER_ACK");
    EXPECT_TRUE(m.answer(reg::irq_ctrlack, shown));
    EXPECT_TRUE(m.answer(reg::irq_ctrlack, 0));
    EXPECT_FALSE(m.answer(reg::irq_ctrlack, irq_ctrl::gerror_irqen)) << "it was never written";
  }
}

// Reads are judged as writes are, by the device and by the judge.
TEST(RegisterWidth, OfReads) {
  DriverMachine m;
  m.read(reg::eventq_prod, 8);
  EXPECT_EQ(m.broken(), "REGISTER_WIDTH");
  m.answer(reg::eventq_prod, 0, 8);
  EXPECT_EQ(m.broken(), "REGISTER_WIDTH");
  m.read(reg::strtab_base, 4);
  m.read(reg::strtab_base + 4, 4);
  m.read(reg::strtab_base, 8);
  m.answer(reg::strtab_base + 4, 0, 4);
  EXPECT_EQ(m.broken(), "");
}

TEST(QueueSize, IsAtMostWhatIdr1Has) {
  Capabilities caps = full_capabilities();
  caps.cmdqs = 8;
  caps.eventqs = 7;
  caps.priqs = 6;
  caps.pri = true;
  DriverMachine m(caps);
  m.write(reg::cmdq_base, DriverMachine::cmdq | 8, 8);
  m.write(reg::eventq_base, DriverMachine::eventq | 7, 8);
  m.write(reg::priq_base, DriverMachine::priq | 6, 8);
  EXPECT_EQ(m.broken(), "");
  m.write(reg::cmdq_base, DriverMachine::cmdq | 9, 8);
  EXPECT_EQ(m.broken(), "QUEUE_SIZE");
  m.write(reg::eventq_base, DriverMachine::eventq | 8, 8);
  EXPECT_EQ(m.broken(), "QUEUE_SIZE");
  m.write(reg::priq_base, DriverMachine::priq | 7, 8);
  EXPECT_EQ(m.broken(), "QUEUE_SIZE");
}

// Between the write of CR2 and SMMUEN = 1 only CMD_TLBI_EL2_ALL is believed.
TEST(E2h, TakesEffectWithSmmuen) {
  for (const Opcode op : {Opcode::tlbi_el2_va, Opcode::tlbi_el2_all}) {
    DriverMachine m;
    Ste<u64> ste = make_stage1_ste({.s1contextptr = SmallMachine::cds});
    ste.dw[1] |= u64{2} << 30;  // STRW: EL2
    m.memory.ste(1, ste);
    m.boot();
    m.memory.store(SmallMachine::leaves + 8, 0);
    ASSERT_EQ(m.at(0x1000), "0 F_TRANSLATION");
    m.cr0(cr0::cmdqen | cr0::eventqen);
    m.write(reg::cr2, cr2::e2h);
    Command command = cmd_tlbi_nh_va(0, 5, 0x1000);
    command.op = op;
    if (op == Opcode::tlbi_el2_all) command = cmd_tlbi_el2_all();
    m.slot(command);
    m.slot(cmd_sync());
    m.ring();
    EXPECT_TRUE(m.consumed(2));
    m.write(reg::cr2, 0);
    m.cr0(cr0::cmdqen | cr0::eventqen | cr0::smmuen);
    EXPECT_EQ(m.at(0x1000), op == Opcode::tlbi_el2_all ? "F_TRANSLATION" : "0 F_TRANSLATION");
    EXPECT_EQ(m.broken(), "");
  }
}

TEST(ReservedBits, OfACommandAreADriversMistake) {
  DriverMachine m;
  m.boot();
  CommandWords words = encode_command(cmd_cfgi_ste(1));
  words.dw1 |= 2;
  m.slot(words);
  m.ring();
  EXPECT_EQ(m.broken(), "COMMAND_RESERVED");
}

/// IHI 0070 6.3.9.2: a translated access may pass unchecked until ATSCHK is acknowledged.
TEST(RegisterFields, AtschkCountsFromItsAcknowledgementOn) {
  DriverMachine m;
  m.memory.ste(1, make_stage1_ste({.s1contextptr = SmallMachine::cds, .eats = 1}));
  m.boot();
  m.caches().set_ats(1, true);
  const Access translated{.sid = 1, .va = 0x1000, .route = Route::translated};
  EXPECT_EQ(m.memory.text(translated), "0");
  const Ste<u64> off = make_stage1_ste({.s1contextptr = SmallMachine::cds});
  m.memory.store(SmallMachine::strtab + 64 + 8, off.dw[1]);
  m.memory.run(cmd_cfgi_ste(1));
  EXPECT_EQ(m.memory.text(translated), "0 denied");
  m.choices.answers = {1};  // not at the first poll
  m.write(reg::cr0, cr0::cmdqen | cr0::eventqen | cr0::smmuen | cr0::atschk);
  EXPECT_EQ(m.read(reg::cr0ack) & cr0::atschk, 0U);
  m.memory.run(cmd_cfgi_ste(1));
  EXPECT_EQ(m.memory.text(translated), "0 denied");
  while ((m.read(reg::cr0ack) & cr0::atschk) == 0) {
  }
  m.memory.run(cmd_cfgi_ste(1));
  EXPECT_EQ(m.memory.text(translated), "F_TRANSL_FORBIDDEN denied");
}

/// While SMMUEN is written and not acknowledged, either value holds: GBPA aborts, or tables count.
TEST(RegisterFields, GbpaAbortsUntilSmmuenIsAcknowledged) {
  DriverMachine m;
  m.set_up_queues();
  m.write(reg::strtab_base, SmallMachine::strtab, 8);
  m.write(reg::strtab_base_cfg, 4);
  m.cr0(cr0::cmdqen | cr0::eventqen);
  m.caches().set_gbpa_abort(true);
  EXPECT_EQ(m.at(0x1000), "abort");
  m.write(reg::cr0, cr0::cmdqen | cr0::eventqen | cr0::smmuen);
  EXPECT_EQ(m.at(0x1000), "0 abort");
  while ((m.read(reg::cr0ack) & cr0::smmuen) == 0) {
  }
  EXPECT_EQ(m.at(0x1000), "0");
}

/// SMMUEN = 1 again before 0 was acknowledged, with another table: what was read of the first one
/// is not what the second one has.
TEST(RegisterRules, ATableThatComesBeforeZeroIsAcknowledged) {
  DriverMachine m;
  m.boot();
  constexpr u64 other = 0x700000;
  m.caches().memory().assume_zero(other);
  const Access access{.sid = 1, .va = 0x5000};
  bool any = false;
  m.caches().outcomes(access, [&](const Outcome&) { any = true; });
  EXPECT_TRUE(any);
  m.write(reg::cr0, cr0::cmdqen | cr0::eventqen);
  m.write(reg::strtab_base, other, 8);
  m.write(reg::cr0, cr0::cmdqen | cr0::eventqen | cr0::smmuen);
  m.memory.step();
  EXPECT_EQ(m.caches().consistent(), "");
}

}  // namespace
}  // namespace iommucheck::spec::smmu_register_rules_test
