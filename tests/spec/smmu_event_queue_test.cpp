// SPDX-License-Identifier: MIT
// Event and PRI queue, overflow, and stalled accesses. IHI 0070 3.5.1, 3.12.2, 4.7.2, 7.2 to 7.4.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "smmu_device_support.h"

namespace iommucheck::spec::smmu_event_queue_test {
namespace {

constexpr u64 ovflg = queue_overflow_flag;

EventRecord a_record(bool stall = false) {
  EventFields fields;
  fields.sid = 1;
  fields.input_address = 0x5000;
  fields.stall = stall;
  if (stall) fields.stag = 3;
  return record_of(EventType::f_translation, fields);
}

/// An event queue of four records.
struct Events : ::testing::Test {
  DriverMachine m{with_stalls()};

  static Capabilities with_stalls() {
    Capabilities caps = full_capabilities();
    caps.stall_max = 2;
    caps.pri = true;
    caps.priqs = 4;
    return caps;
  }
  void SetUp() override { m.boot(); }
  void fill(unsigned records) {
    for (unsigned i = 0; i < records; ++i) m.smmu.record_event(a_record());
  }
};

TEST_F(Events, ConsFollowsWhatProdShowed) {
  fill(2);
  m.write(reg::eventq_cons, 2);
  EXPECT_EQ(m.broken(), "");
  m.write(reg::eventq_cons, 3);
  EXPECT_EQ(m.broken(), "QUEUE_CONS_RANGE");
}

// A judged device's records are known by EVENTQ_PROD alone.
TEST_F(Events, ProdThatIsReadCounts) {
  EXPECT_TRUE(m.answer(reg::eventq_prod, 3));
  m.write(reg::eventq_cons, 3);
  EXPECT_EQ(m.broken(), "");
  EXPECT_FALSE(m.answer(reg::eventq_prod, 2)) << "backwards";
  EXPECT_TRUE(m.answer(reg::eventq_prod, 7));
  m.write(reg::eventq_cons, 5);
  EXPECT_EQ(m.broken(), "REGISTER_READ");
  m.write(reg::eventq_cons, 4);
  EXPECT_EQ(m.broken(), "QUEUE_CONS_RANGE") << "back";
}

TEST_F(Events, ProdPastTheRoomIsNoAnswer) { EXPECT_FALSE(m.answer(reg::eventq_prod, 5)); }

// The first PRIQ_CONS write of a driver with page requests was blamed.
TEST_F(Events, PriqIsAQueueOfItsOwnSize) {
  m.write(reg::priq_base, DriverMachine::priq | DriverMachine::priq_lg2, 8);
  m.write(reg::priq_prod, 0);
  m.write(reg::priq_cons, 0);
  m.cr0(cr0::cmdqen | cr0::eventqen | cr0::priqen | cr0::smmuen);
  EXPECT_TRUE(m.answer(reg::priq_prod, 2));
  m.write(reg::priq_cons, 2);
  EXPECT_EQ(m.broken(), "");
  m.write(reg::priq_cons, 4);
  EXPECT_EQ(m.broken(), "QUEUE_CONS_RANGE");
  EXPECT_FALSE(m.answer(reg::priq_prod, 1));
}

TEST_F(Events, ARecordingThatShowsNoProdIsNotJudged) {
  m.smmu.commands_come_from_events();
  m.write(reg::eventq_cons, 3);
  EXPECT_EQ(m.broken(), "");
}

/// The driver reads EVENTQ_PROD, and writes EVENTQ_CONS for each record.
TEST_F(Events, AnOverflowThatIsAcknowledgedInTheEnd) {
  fill(5);
  EXPECT_EQ(m.read(reg::eventq_prod), 4 | ovflg);
  for (u64 cons = 1; cons <= 4; ++cons) m.write(reg::eventq_cons, cons);
  m.read(reg::eventq_prod);
  m.write(reg::eventq_cons, 4 | ovflg);
  m.smmu.interrupt_of_event_queue();
  EXPECT_EQ(m.broken(), "");
  fill(1);
  EXPECT_EQ(m.read(reg::eventq_prod), 5 | ovflg) << "a record leaves it as it is";
  fill(4);
  EXPECT_EQ(m.read(reg::eventq_prod), 0U) << "toggled once more";
}

TEST_F(Events, AnOverflowThatIsNeverAcknowledged) {
  fill(5);
  m.smmu.interrupt_of_event_queue();
  EXPECT_EQ(m.broken(), "") << "not seen yet";
  m.read(reg::eventq_prod);
  m.write(reg::eventq_cons, 2);
  m.smmu.interrupt_of_event_queue();
  EXPECT_EQ(m.broken(), "") << "at work on it";
  m.write(reg::eventq_cons, 4);
  m.smmu.interrupt_of_event_queue();
  EXPECT_EQ(m.broken(), "EVENT_OVERFLOW_ACK");
}

// A drain that finds an overflow and no record has it to acknowledge, too.
TEST_F(Events, AnOverflowThatIsSeenInAnEmptyQueue) {
  fill(4);
  EXPECT_EQ(m.read(reg::eventq_prod), 4U);
  fill(1);  // while the driver is at work
  m.write(reg::eventq_cons, 4);
  EXPECT_EQ(m.read(reg::eventq_prod), 4 | ovflg);
  m.smmu.interrupt_of_event_queue();
  EXPECT_EQ(m.broken(), "EVENT_OVERFLOW_ACK");
  m.read(reg::eventq_prod);
  m.write(reg::eventq_cons, 4 | ovflg);
  m.smmu.interrupt_of_event_queue();
  EXPECT_EQ(m.broken(), "");
}

/// A PRI queue of which the driver has seen two records and an overflow, and taken one record.
struct PageQueueOverflow : Events {
  void page_queue_overflows() {
    m.write(reg::priq_base, DriverMachine::priq | DriverMachine::priq_lg2, 8);
    m.write(reg::priq_prod, 0);
    m.write(reg::priq_cons, 0);
    m.cr0(cr0::cmdqen | cr0::eventqen | cr0::priqen | cr0::smmuen);
    EXPECT_TRUE(m.answer(reg::priq_prod, 2 | ovflg));
    m.write(reg::priq_cons, 1);
  }
};

/// The same of the page request queue, which has flags of its own. IHI 0070 8.1.
TEST_F(PageQueueOverflow, IsAcknowledged) {
  page_queue_overflows();
  m.smmu.interrupt_of_page_queue();
  EXPECT_EQ(m.broken(), "") << "at work on it";
  m.write(reg::priq_cons, 2 | ovflg);
  m.smmu.interrupt_of_page_queue();
  EXPECT_EQ(m.broken(), "");
  EXPECT_TRUE(m.answer(reg::priq_prod, 3));
  m.write(reg::priq_cons, 3 | ovflg);
  m.smmu.interrupt_of_event_queue();
  EXPECT_EQ(m.broken(), "") << "another queue's";
  m.smmu.interrupt_of_page_queue();
  EXPECT_EQ(m.broken(), "EVENT_OVERFLOW_ACK");
}

/// Until it is acknowledged nothing is recorded (8.1), so that no interrupt may come that asks.
TEST_F(PageQueueOverflow, IsNotLeft) {
  page_queue_overflows();
  m.smmu.page_queue_is_left();
  EXPECT_EQ(m.broken(), "") << "records are left";
  m.write(reg::priq_cons, 2);
  m.smmu.page_queue_is_left();
  EXPECT_EQ(m.broken(), "EVENT_OVERFLOW_ACK");
  EXPECT_TRUE(m.answer(reg::priq_prod, 2 | ovflg));
  m.write(reg::priq_cons, 2 | ovflg);
  m.smmu.page_queue_is_left();
  EXPECT_EQ(m.broken(), "");
}

/// The queue sends an interrupt when it was empty.
struct Interrupts : Events {
  void SetUp() override {
    Events::SetUp();
    m.write(reg::irq_ctrl, irq_ctrl::eventq_irqen);
    m.read(reg::irq_ctrlack);
  }
};

TEST_F(Interrupts, WhatCameMeanwhileIsRead) {
  fill(1);
  m.smmu.interrupt_of_event_queue();
  EXPECT_EQ(m.read(reg::eventq_prod), 1U);
  fill(1);
  m.write(reg::eventq_cons, 1);
  EXPECT_EQ(m.read(reg::eventq_prod), 2U);
  m.write(reg::eventq_cons, 2);
  EXPECT_EQ(m.read(reg::eventq_prod), 2U);
  fill(1);
  m.smmu.interrupt_of_event_queue();
  EXPECT_EQ(m.broken(), "");
}

TEST_F(Interrupts, WhatCameMeanwhileIsLeft) {
  fill(1);
  m.smmu.interrupt_of_event_queue();
  EXPECT_EQ(m.read(reg::eventq_prod), 1U);
  fill(1);
  m.write(reg::eventq_cons, 1);
  EXPECT_EQ(m.read(reg::eventq_prod), 2U) << "seen, and left";
  m.smmu.interrupt_of_event_queue();
  EXPECT_EQ(m.broken(), "EVENT_LEFT");
}

// Whoever reads records and never writes CONS leaves the queue as it is: not empty, so that no
// interrupt tells of what comes.
TEST_F(Interrupts, WhatWasToldIsLeftWhereConsIsNotWritten) {
  fill(1);
  m.smmu.interrupt_of_event_queue();
  EXPECT_EQ(m.read(reg::eventq_prod), 1U);
  EXPECT_EQ(m.broken(), "") << "at work on it";
  fill(1);
  m.smmu.interrupt_of_event_queue();
  EXPECT_EQ(m.broken(), "EVENT_LEFT");
}

TEST_F(Interrupts, WhatHadNoInterruptYetIsNotLeft) {
  fill(1);
  EXPECT_EQ(m.read(reg::eventq_prod), 1U);
  fill(1);
  m.smmu.interrupt_of_event_queue();
  EXPECT_EQ(m.broken(), "");
  m.write(reg::eventq_cons, 2);
  fill(1);
  m.smmu.interrupt_of_event_queue();
  EXPECT_EQ(m.broken(), "");
}

TEST_F(Interrupts, WhatAnInterruptWillTellMayBeLeft) {
  fill(1);
  m.read(reg::eventq_prod);
  fill(1);
  m.write(reg::eventq_cons, 1);
  m.smmu.interrupt_of_event_queue();
  EXPECT_EQ(m.broken(), "") << "the first record's is still to come";
}

TEST_F(Interrupts, WhoAsksForNoneLooksAgain) {
  m.write(reg::irq_ctrl, 0);
  m.read(reg::irq_ctrlack);
  fill(1);
  m.smmu.interrupt_of_event_queue();
  m.read(reg::eventq_prod);
  fill(1);
  m.write(reg::eventq_cons, 1);
  m.smmu.interrupt_of_event_queue();
  EXPECT_EQ(m.broken(), "");
}

/// The driver's loads of records, which no store shows.
struct Loads : Events {
  static constexpr u64 place(unsigned slot, unsigned word = 0) {
    return DriverMachine::eventq + 32 * slot + 8 * word;
  }
  void load(unsigned slot, unsigned word = 0) { m.smmu.observe_load(place(slot, word)); }
  void whole(unsigned slot) {
    for (unsigned word = 0; word < 4; ++word) load(slot, word);
  }
  void barrier() { m.smmu.observe_load_barrier(); }
};

TEST_F(Loads, InOrder) {
  for (unsigned lap = 0; lap < 9; ++lap) {
    fill(1);
    const u64 prod = m.read(reg::eventq_prod);
    barrier();
    whole(lap % 4);
    barrier();
    m.write(reg::eventq_cons, prod);
    EXPECT_EQ(m.broken(), "") << lap;
  }
}

TEST_F(Loads, SeveralRecordsAtATime) {
  fill(3);
  m.read(reg::eventq_prod);
  barrier();
  whole(0);
  load(1, 1);  // not every word is of interest
  barrier();
  m.write(reg::eventq_cons, 2);
  load(2);
  fill(2);
  m.read(reg::eventq_prod);
  barrier();
  load(2, 3);
  whole(3);
  whole(0);
  barrier();
  m.write(reg::eventq_cons, 5);
  EXPECT_EQ(m.broken(), "");
}

TEST_F(Loads, BeforeProdWasRead) {
  fill(1);
  m.read(reg::eventq_prod);
  load(0);
  EXPECT_EQ(m.broken(), "QUEUE_RECORD_ORDER");
  barrier();
  load(0);
  EXPECT_EQ(m.broken(), "");
  fill(1);
  m.read(reg::eventq_prod);
  load(1);
  EXPECT_EQ(m.broken(), "QUEUE_RECORD_ORDER") << "the barrier came before this record was shown";
}

TEST_F(Loads, NotOrderedBeforeTheSlotIsGivenBack) {
  fill(2);
  m.read(reg::eventq_prod);
  barrier();
  whole(0);
  barrier();
  whole(1);
  m.write(reg::eventq_cons, 1);
  EXPECT_EQ(m.broken(), "") << "the second one is still the driver's";
  m.write(reg::eventq_cons, 2);
  EXPECT_EQ(m.broken(), "QUEUE_RECORD_ORDER");
}

TEST_F(Loads, AfterTheSlotWasGivenBack) {
  fill(2);
  m.read(reg::eventq_prod);
  barrier();
  m.write(reg::eventq_cons, 1);
  load(0);
  EXPECT_EQ(m.broken(), "QUEUE_RECORD_ORDER") << "the whole record";
  load(1, 0);
  barrier();
  m.write(reg::eventq_cons, 2);
  EXPECT_EQ(m.broken(), "");
  load(1, 0);
  EXPECT_EQ(m.broken(), "") << "what it has had";
  load(1, 2);
  EXPECT_EQ(m.broken(), "QUEUE_RECORD_ORDER") << "the rest of it";
}

/// IDR0.COHACC = 0: a line may have been fetched at any time before PROD was read.
TEST_F(Loads, FromCaches) {
  m.caches().memory().set_coherent(false);
  const auto record_is_shown = [&](unsigned count) {
    fill(count);
    return m.read(reg::eventq_prod);
  };
  record_is_shown(2);
  m.smmu.observe_invalidate(place(0), 32);  // the line has both
  barrier();
  whole(0);
  whole(1);
  barrier();
  m.write(reg::eventq_cons, 2);
  EXPECT_EQ(m.broken(), "");
  m.smmu.observe_invalidate(place(2), 64);
  record_is_shown(2);
  barrier();
  whole(2);
  EXPECT_EQ(m.broken(), "QUEUE_RECORD_ORDER") << "invalidated before PROD was read";
  m.smmu.observe_invalidate(place(3), 8);
  whole(3);
  EXPECT_EQ(m.broken(), "") << "the next one is told of by itself";
}

/// In any order, and around the end of the queue.
TEST_F(Loads, FromLinesInvalidatedInPieces) {
  m.caches().memory().set_coherent(false);
  fill(3);
  m.read(reg::eventq_prod);
  m.write(reg::eventq_cons, 3);
  fill(3);  // slots 3, 0 and 1
  m.read(reg::eventq_prod);
  m.smmu.observe_invalidate(place(0), 64);
  m.smmu.observe_invalidate(place(3), 32);
  barrier();
  for (const unsigned slot : {3U, 0U, 1U}) whole(slot);
  barrier();
  m.write(reg::eventq_cons, 6);
  EXPECT_EQ(m.broken(), "");
  fill(4);
  m.read(reg::eventq_prod);
  barrier();
  whole(3);
  EXPECT_EQ(m.broken(), "QUEUE_RECORD_ORDER") << "that was for the record before";
}

TEST_F(Loads, OfMemoryThatIsNotCached) {
  m.caches().memory().set_coherent(false);
  m.caches().memory().set_uncached(m.caches().memory().frame(DriverMachine::eventq));
  fill(1);
  m.read(reg::eventq_prod);
  barrier();
  whole(0);
  EXPECT_EQ(m.broken(), "");
}

/// IDR0.COHACC = 0: a line that is dirty yet is written back over the record there.
struct DirtyLines : ::testing::Test {
  DriverMachine m{[] {
    Capabilities caps = full_capabilities();
    caps.cohacc = false;
    caps.pri = true;
    caps.priqs = 4;
    return caps;
  }()};

  void store(unsigned slot) {
    m.memory.step();
    m.caches().store(AgentId::cpu0, Loads::place(slot, 1), 1);
  }
  void clean(unsigned slot) { m.caches().clean(AgentId::cpu0, Loads::place(slot), 64); }
  void barrier() { m.caches().barrier(AgentId::cpu0); }
  void enable() {
    m.set_up_queues();
    m.cr0(cr0::cmdqen | cr0::eventqen);
  }
};

TEST_F(DirtyLines, OfTheQueueThatIsEnabled) {
  store(3);
  barrier();
  enable();
  EXPECT_EQ(m.broken(), "QUEUE_RECORD_ORDER");
}

TEST_F(DirtyLines, ThatAreCleaned) {
  store(3);
  clean(3);
  barrier();
  enable();
  EXPECT_EQ(m.broken(), "");
}

/// Before the queue is enabled, as a driver does that has loaded from it; before its base is known,
/// line by line, and not what is stored later.
TEST_F(DirtyLines, ThatAreInvalidated) {
  store(0);
  store(3);
  for (const u64 line : {0U, 64U}) {
    m.memory.step();
    m.smmu.observe_invalidate(DriverMachine::eventq + line, 64);
  }
  barrier();
  enable();
  EXPECT_EQ(m.broken(), "");
  m.cr0(cr0::cmdqen);
  store(3);
  m.cr0(cr0::cmdqen | cr0::eventqen);
  EXPECT_EQ(m.broken(), "QUEUE_RECORD_ORDER");
}

TEST_F(DirtyLines, OfATraceThatTellsNoInvalidations) {
  m.smmu.invalidations_are_not_told();
  store(3);
  enable();
  EXPECT_EQ(m.broken(), "");
}

/// With SMMUEN = 0 nothing is recorded there.
TEST_F(DirtyLines, OfPageRequests) {
  m.memory.step();
  m.caches().store(AgentId::cpu0, DriverMachine::priq + 8, 1);
  m.set_up_queues();
  m.write(reg::strtab_base, SmallMachine::strtab, 8);
  m.write(reg::strtab_base_cfg, 4);
  m.write(reg::priq_base, DriverMachine::priq | DriverMachine::priq_lg2, 8);
  m.write(reg::priq_prod, 0);
  m.write(reg::priq_cons, 0);
  m.cr0(cr0::cmdqen | cr0::eventqen | cr0::priqen);
  EXPECT_EQ(m.broken(), "");
  m.cr0(cr0::cmdqen | cr0::eventqen | cr0::priqen | cr0::smmuen);
  EXPECT_THAT(m.broken(), testing::HasSubstr("QUEUE_RECORD_ORDER"));
}

TEST_F(DirtyLines, OfMemoryThatIsNotCached) {
  m.caches().memory().set_uncached(m.caches().memory().frame(DriverMachine::eventq));
  store(3);
  barrier();
  enable();
  EXPECT_EQ(m.broken(), "");
}

TEST_F(DirtyLines, OfSlotsThatAreGivenBack) {
  enable();
  m.smmu.record_event(a_record());
  m.smmu.record_event(a_record());
  store(1);
  m.smmu.observe_load_barrier();
  m.write(reg::eventq_cons, 1);
  EXPECT_EQ(m.broken(), "") << "the slot is the driver's yet";
  m.write(reg::eventq_cons, 2);
  EXPECT_EQ(m.broken(), "QUEUE_RECORD_ORDER");
}

TEST_F(Loads, OfWhatIsNoRecordYet) {
  m.read(reg::eventq_prod);
  load(0);
  m.smmu.observe_load(DriverMachine::eventq + 128);
  m.smmu.observe_load(DriverMachine::cmdq);
  EXPECT_EQ(m.broken(), "");
}

TEST_F(Loads, ThatNobodySees) {
  for (u64 lap = 1; lap < 9; ++lap) {
    fill(1);
    m.read(reg::eventq_prod);
    m.write(reg::eventq_cons, lap % 8);
    EXPECT_EQ(m.broken(), "") << lap;
  }
}

// The record of a stall waits for room and is no overflow.
TEST_F(Events, AStallNeverOverflows) {
  fill(4);
  EXPECT_EQ(m.smmu.record_event(a_record(true)), Delivery::waits);
  EXPECT_FALSE(m.smmu.event_overflow());
  EXPECT_EQ(m.smmu.record_event(a_record()), Delivery::overflows);
  EXPECT_TRUE(m.smmu.event_overflow());
}

// How many there are is IDR5.STALL_MAX's; SMMUEN = 0 ends them.
TEST_F(Events, StallsEndWithSmmuen) {
  EXPECT_TRUE(m.smmu.begin_stall(1, 0, false));
  EXPECT_TRUE(m.smmu.begin_stall(1, 0, false));
  EXPECT_FALSE(m.smmu.begin_stall(1, 0, false));
  EXPECT_TRUE(m.smmu.has_stall(1, 0, false));
  m.write(reg::cr0, cr0::cmdqen | cr0::eventqen);
  EXPECT_TRUE(m.smmu.has_stall(1, 0, false)) << "not acknowledged";
  m.read(reg::cr0ack);
  EXPECT_FALSE(m.smmu.has_stall(1, 0, false));
}

TEST_F(Events, StallTermNeedsAStreamThatAborts) {
  Command term;
  term.op = Opcode::stall_term;
  term.sid = 1;
  m.slot(term);
  m.ring();
  EXPECT_EQ(m.broken(), "STALL_TERM_ABORTS");
  m.memory.store(SmallMachine::strtab + 64, 1);  // V = 1, Config = abort
  m.slot(term);
  m.ring();
  EXPECT_EQ(m.broken(), "STALL_TERM_ABORTS") << "the old STE may be cached";
  m.slot(cmd_cfgi_ste(1));
  m.slot(cmd_sync());
  m.ring();
  EXPECT_TRUE(m.consumed(m.prod));
  m.slot(term);
  m.ring();
  EXPECT_EQ(m.broken(), "");
}

/// Nothing is translated, whatever the STE says.
TEST_F(Events, StallTermNeedsNothingWhereTheSmmuIsOff) {
  m.cr0(cr0::cmdqen | cr0::eventqen);
  Command term;
  term.op = Opcode::stall_term;
  term.sid = 1;
  m.slot(term);
  m.ring();
  EXPECT_EQ(m.broken(), "");
}

/// Events are recorded with SMMUEN = 0, too; what counts is what is acknowledged. 6.3.9.4, 6.3.9.6.
TEST_F(Events, AreGivenBackOnceTheQueueIsOff) {
  constexpr u64 page = 4096;
  m.smmu.given_back(DriverMachine::eventq + page, page);
  m.smmu.given_back(DriverMachine::eventq - page, page);
  m.smmu.given_back(DriverMachine::cmdq, page);
  EXPECT_EQ(m.broken(), "") << "none of its pages";
  m.smmu.given_back(DriverMachine::eventq, page);
  EXPECT_EQ(m.broken(), "QUEUE_FREE");
  m.cr0(cr0::eventqen);
  m.smmu.given_back(DriverMachine::eventq - page, 2 * page);
  EXPECT_EQ(m.broken(), "QUEUE_FREE");
  m.choices.answers = {1};  // not at the first poll
  m.write(reg::cr0, 0);
  EXPECT_NE(m.read(reg::cr0ack), 0U);
  m.smmu.given_back(DriverMachine::eventq, page);
  EXPECT_EQ(m.broken(), "QUEUE_FREE") << "it may still be on";
  m.cr0(0);
  m.smmu.given_back(DriverMachine::eventq, page);
  EXPECT_EQ(m.broken(), "");
}

/// PRIQEN counts as 0 while SMMUEN is. 6.3.9.5.
TEST_F(Events, PageRequestsAreGivenBackOnceTranslationIsOff) {
  m.write(reg::priq_base, DriverMachine::priq | DriverMachine::priq_lg2, 8);
  m.write(reg::priq_prod, 0);
  m.write(reg::priq_cons, 0);
  m.cr0(cr0::cmdqen | cr0::eventqen | cr0::smmuen | cr0::priqen);
  m.smmu.given_back(DriverMachine::priq, 4096);
  EXPECT_EQ(m.broken(), "QUEUE_FREE");
  m.cr0(cr0::cmdqen | cr0::eventqen | cr0::priqen);
  m.smmu.given_back(DriverMachine::priq, 4096);
  EXPECT_EQ(m.broken(), "");
}

}  // namespace
}  // namespace iommucheck::spec::smmu_event_queue_test
