// SPDX-License-Identifier: MIT
// How faults of stage 1 end: CD.A, R, S (IHI 0070 5.5, 3.12.1, 3.12.2; arch 4.9).
#include <gtest/gtest.h>

#include "smmu_caches_support.h"
#include "smmu_fixture.h"
#include "spec/smmu/event_record.h"

namespace iommucheck::spec::smmu_stall_test {
namespace {

using Machine = SmallMachine;

Cd<u64> with_ars(Cd<u64> cd, unsigned ars) {
  cd.dw[0] &= ~mask(46, 44);
  if ((ars & 4) != 0) cd.dw[0] |= u64{1} << 46;
  if ((ars & 2) != 0) cd.dw[0] |= u64{1} << 45;
  if ((ars & 1) != 0) cd.dw[0] |= u64{1} << 44;
  return cd;
}

/// The one outcome of the access under a CD with these A, R, S.
Outcome one_outcome(unsigned ars, Cd<u64> cd, const Access& access, bool stalld = false) {
  Machine m(full_capabilities());
  Ste<u64> ste = make_stage1_ste({.s1contextptr = Machine::cds});
  if (stalld) ste.dw[1] |= u64{1} << 27;
  m.ste(1, ste);
  m.cd(0, with_ars(cd, ars));
  m.put(Machine::leaves + 24, (Machine::page | Machine::rw_leaf) & ~(u64{1} << 10));  // AF = 0
  m.put(Machine::leaves + 32, Machine::page | Machine::rw_leaf | u64{1} << 7);        // read-only
  m.put(Machine::leaves + 40, (u64{1} << 47) | Machine::rw_leaf);  // beyond IPS of 40 bits
  m.enable();
  const std::vector<Outcome> found = m.outcomes(access);
  EXPECT_EQ(found.size(), 1U);
  return found.empty() ? Outcome{} : found.front();
}

struct Case {
  const char* name;
  EventType event;
  Access access;
  bool epd0 = false;
  bool e0pd = false;
};

std::vector<Case> cases() {
  const auto at = [](u64 va, AccessType type = AccessType::read) {
    return Access{.sid = 1, .type = type, .va = va};
  };
  return {{"nothing mapped", EventType::f_translation, at(0x7000)},
          {"beyond T0SZ", EventType::f_translation, at(u64{1} << 40)},
          {"TTB0 disabled", EventType::f_translation, at(0x1000), true},
          {"E0PD0", EventType::f_translation, at(0x1000), false, true},
          {"AF = 0", EventType::f_access, at(0x3000)},
          {"read-only", EventType::f_permission, at(0x4000, AccessType::write)},
          {"output too large", EventType::f_addr_size, at(0x5000)}};
}

TEST(Stall, EachTranslationFaultEndsAsTheCdSays) {
  for (const Case& c : cases()) {
    Cd<u64> cd = make_cd({.ttb0 = Machine::root, .asid = 5, .t0sz = 25, .ips = 2, .epd0 = c.epd0});
    if (c.e0pd) cd.dw[1] |= 4;
    for (unsigned ars = 0; ars < 8; ++ars) {
      SCOPED_TRACE(std::string(c.name) + ", ARS " + std::to_string(ars));
      const Outcome outcome = one_outcome(ars, cd, c.access);
      EXPECT_EQ(outcome.kind, OutcomeKind::fault);
      EXPECT_EQ(outcome.event, c.event);
      const bool stall = (ars & 1) != 0;
      EXPECT_EQ(outcome.stalled(), stall);
      EXPECT_EQ(outcome.reaction.record, stall || (ars & 2) != 0);
      EXPECT_EQ(outcome.reaction.abort, (ars & 4) != 0);
    }
  }
}

/// A stall is not for a stream that must not stall: the CD is illegal, and that always aborts.
TEST(Stall, S1StalldMakesTheCdBad) {
  const Access access{.sid = 1, .va = 0x7000};
  const Outcome stalls = one_outcome(7, Machine::plain_cd(), access, true);
  EXPECT_EQ(stalls.event, EventType::c_bad_cd);
  EXPECT_FALSE(stalls.stalled());
  EXPECT_TRUE(stalls.reaction.abort && stalls.reaction.record);
  EXPECT_EQ(one_outcome(6, Machine::plain_cd(), access, true).event, EventType::f_translation);
}

TEST(Stall, AConfigurationFaultNeverStalls) {
  Machine m(full_capabilities());
  m.ste(1, make_stage1_ste({.s1contextptr = Machine::cds, .s1cdmax = 2}));
  m.cd(0, with_ars(Machine::plain_cd(), 7));
  m.cd(1, with_ars(Machine::plain_cd(), 7));
  m.enable();
  const auto found = m.outcomes({.sid = 1, .va = 0x7000});  // S1DSS = 0 needs a SubstreamID
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].event, EventType::f_stream_disabled);
  EXPECT_FALSE(found[0].stalled());
  const auto with = m.outcomes({.sid = 1, .ssid = 1, .ssv = true, .va = 0x7000});
  ASSERT_EQ(with.size(), 1U);
  EXPECT_TRUE(with[0].stalled());
}

/// A, R and S are no part of TLB entries; until CFGI both ways to end are possible.
TEST(Stall, AChangeOfReactionNeedsCfgiOnly) {
  Machine m(full_capabilities());
  m.ste(1, make_stage1_ste({.s1contextptr = Machine::cds}));
  const Cd<u64> cd = Machine::plain_cd();
  m.cd(0, with_ars(cd, 7));
  m.enable();
  const Access access{.sid = 1, .va = 0x7000};
  m.store(Machine::cds, with_ars(cd, 4).dw[0]);
  auto found = m.outcomes(access);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_NE(found[0].stalled(), found[1].stalled());
  m.run(cmd_cfgi_cd(1, 0));
  found = m.outcomes(access);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_FALSE(found[0].stalled());
  EXPECT_FALSE(found[0].reaction.record);
}

TEST(Stall, TheRecordOfAStallSaysSo) {
  EventFields fields;
  fields.sid = 1;
  const EventRecord terminated = record_of(EventType::f_translation, fields);
  fields.stall = true;
  fields.stag = u16{0x1234};
  const EventRecord record = record_of(EventType::f_translation, fields);
  EXPECT_TRUE(bit(record.dw[1], 31));
  EXPECT_TRUE(bit(record.fixed[1], 31));
  EXPECT_EQ(bits(record.dw[1], 15, 0), 0x1234U);
  EXPECT_EQ(bits(record.fixed[1], 15, 0), 0xffffU);
  EXPECT_FALSE(matches(record, terminated.dw));
}

/// An ATS request neither stalls nor leaves a record.
TEST(Stall, AtsRequestsNeverStall) {
  Machine m(full_capabilities());
  m.ste(1, make_stage1_ste({.s1contextptr = Machine::cds, .eats = 1}));
  m.cd(0, with_ars(Machine::plain_cd(), 7));
  m.enable();
  m.caches.set_ats(1, true);
  const auto found = m.outcomes({.sid = 1, .va = 0x7000, .route = Route::translated});
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, OutcomeKind::denied);
  EXPECT_EQ(found[0].event, EventType::none);
  EXPECT_FALSE(found[0].stalled());
}

}  // namespace
}  // namespace iommucheck::spec::smmu_stall_test
