// SPDX-License-Identifier: MIT
// Which record an access makes, where it goes, which records may stand for each other. IHI 0070
// 7.2 to 7.4.
#include "spec/smmu/event_rules.h"

#include <gtest/gtest.h>

#include "smmu_device_support.h"

namespace iommucheck::spec::smmu_event_rules_test {
namespace {

const Access access{.sid = 3, .ssid = 5, .ssv = true, .type = AccessType::read, .va = 0x1234};

Outcome fault(EventType event, FaultReaction reaction = {}) {
  return {.kind = OutcomeKind::fault,
          .event = event,
          .reaction = reaction,
          .seen = {AccessType::execute, true}};
}

TEST(EventRules, WhatMakesARecord) {
  EXPECT_TRUE(has_record(access, fault(EventType::c_bad_ste), false));
  EXPECT_FALSE(has_record(access, fault(EventType::c_bad_streamid), false));
  EXPECT_TRUE(has_record(access, fault(EventType::c_bad_streamid), true));
  const FaultReaction silent{.stall = false, .record = false, .abort = true};
  EXPECT_FALSE(has_record(access, fault(EventType::f_translation, silent), true));
  EXPECT_TRUE(has_record(access, fault(EventType::f_translation), true));
  for (const OutcomeKind kind : {OutcomeKind::abort, OutcomeKind::denied, OutcomeKind::bypass}) {
    EXPECT_FALSE(has_record(access, {.kind = kind}, true));
  }
  Access translated = access;
  translated.route = Route::translated;
  EXPECT_TRUE(has_record(translated, fault(EventType::c_bad_streamid), false)) << "3.9.1.3";
}

TEST(EventRules, TheRecordSaysWhatWasCheckedAfterTheOverrides) {
  const EventFields fields = fields_of(access, fault(EventType::f_permission));
  EXPECT_TRUE(fields.privileged);
  EXPECT_TRUE(fields.instruction);
  EXPECT_EQ(fields.sid, 3U);
  EXPECT_EQ(fields.ssid, 5U);
  EXPECT_EQ(fields.input_address, 0x1234U);
  EXPECT_FALSE(fields.stall);
  EXPECT_TRUE(fields_of(access, fault(EventType::f_access, {.stall = true})).stall);
  EXPECT_FALSE(fields_of(access).instruction) << "as it came in";
}

TEST(EventRules, AbortsOfFetchesNameThePlace) {
  Outcome aborts = fault(EventType::f_walk_eabt);
  aborts.origin = 0x9008;
  const EventRecord record = record_of(EventType::f_walk_eabt, fields_of(access, aborts));
  EXPECT_EQ(record.dw[3] & mask(51, 3), 0x9008U);
  EXPECT_EQ(bits(record.dw[1], 41, 40), static_cast<u64>(EventClass::tt)) << "7.3.12";
}

// 7.3.4 has them UNKNOWN and RES0; of a descriptor's address nothing is.
TEST(EventRules, BitsOfFetchAddrBeyondTheOutputSizeAreOpen) {
  Capabilities caps;
  caps.oas_lg2 = 40;
  const u64 beyond = u64{1} << 40;
  for (const EventType type : {EventType::f_ste_fetch, EventType::f_cd_fetch}) {
    Outcome aborts = fault(type);
    aborts.origin = beyond | 0x9000;
    const EventRecord record = record_of(type, fields_of(access, aborts, caps));
    auto seen = record.dw;
    seen[3] = 0x9000;
    EXPECT_TRUE(matches(record, seen));
    seen[3] = beyond << 3 | 0x9000;
    EXPECT_TRUE(matches(record, seen));
    seen[3] = beyond | 0xa000;
    EXPECT_FALSE(matches(record, seen));
    seen[3] = beyond >> 1 | 0x9000;
    EXPECT_FALSE(matches(record, seen));
  }
  Outcome aborts = fault(EventType::f_walk_eabt);
  aborts.origin = 0x9000;
  const EventRecord record = record_of(EventType::f_walk_eabt, fields_of(access, aborts, caps));
  auto seen = record.dw;
  seen[3] |= beyond;
  EXPECT_FALSE(matches(record, seen));
}

TEST(EventRules, ARecordNamesItsAccess) {
  const EventRecord record =
      record_of(EventType::f_translation, fields_of(access, fault(EventType::f_translation)));
  const Access named = access_in(record.dw);
  EXPECT_EQ(named.sid, access.sid);
  EXPECT_EQ(named.ssid, access.ssid);
  EXPECT_TRUE(named.ssv);
  EXPECT_EQ(named.va, access.va);
  EXPECT_EQ(named.type, AccessType::execute);
  EXPECT_TRUE(named.privileged);
  EXPECT_FALSE(stall_in(record.dw));
}

TEST(EventRules, WhereItGoes) {
  EXPECT_EQ(delivery(true, false, false), Delivery::written);
  EXPECT_EQ(delivery(true, true, false), Delivery::overflows);
  EXPECT_EQ(delivery(false, true, false), Delivery::discarded) << "no overflow without EVENTQEN";
  EXPECT_EQ(delivery(true, true, true), Delivery::waits);
  EXPECT_EQ(delivery(false, false, true), Delivery::waits);
  EXPECT_EQ(delivery(true, false, true), Delivery::written);
}

TEST(EventRules, FourTypesMergeWhateverMevSays) {
  unsigned always = 0;
  for (unsigned type = 0; type < 256; ++type) {
    EXPECT_TRUE(may_be_merged(static_cast<EventType>(type), true));
    always += may_be_merged(static_cast<EventType>(type), false) ? 1 : 0;
  }
  EXPECT_EQ(always, 4U);
  EXPECT_TRUE(may_be_merged(EventType::f_uut, false));
  EXPECT_FALSE(may_be_merged(EventType::c_bad_cd, false));
}

std::array<u64, event_words> other_offset(EventRecord record) {
  record.dw[2] ^= 0xffc;
  return record.dw;
}

TEST(EventRules, TheOffsetInThePageCountsInFUutAlone) {
  for (const EventType type : {EventType::f_translation, EventType::f_transl_forbidden,
                               EventType::f_tlb_conflict, EventType::f_uut}) {
    const EventRecord own = record_of(type, fields_of(access, fault(type)));
    EXPECT_TRUE(is_same_event(own, own.dw));
    EXPECT_EQ(is_same_event(own, other_offset(own)), type != EventType::f_uut);
    auto other_page = own.dw;
    other_page[2] ^= 0x1000;
    EXPECT_FALSE(is_same_event(own, other_page));
    auto other_stream = own.dw;
    other_stream[0] ^= u64{1} << 32;
    EXPECT_FALSE(is_same_event(own, other_stream));
  }
}

TEST(EventRules, StallsAreNeverMerged) {
  EventFields fields = fields_of(access, fault(EventType::f_translation, {.stall = true}));
  fields.stag = 7;
  const EventRecord own = record_of(EventType::f_translation, fields);
  EXPECT_FALSE(is_same_event(own, own.dw));
}

// ---- the device that makes them -----------------------------------------------------------------

struct Recording : ::testing::Test {
  DriverMachine m{stalling()};
  const Outcome stalls = fault(EventType::f_translation, {.stall = true});

  static Capabilities stalling() {
    Capabilities caps = full_capabilities();
    caps.stall_max = 2;
    return caps;
  }
  void SetUp() override { m.boot(); }
};

TEST_F(Recording, AStallGetsATagAndWaitsWhereThereIsNone) {
  const auto first = m.smmu.record(access, stalls);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->delivery, Delivery::written);
  EXPECT_TRUE(first->stalls);
  EXPECT_EQ(stall_in(first->record.dw), u16{0});
  EXPECT_TRUE(m.smmu.has_stall(3, 5, true));
  EXPECT_EQ(stall_in(m.smmu.record(access, stalls)->record.dw), u16{1});
  EXPECT_EQ(m.smmu.record(access, stalls)->delivery, Delivery::waits) << "IDR5.STALL_MAX";
}

TEST_F(Recording, AFullQueueLosesFaultsAndNoStalls) {
  for (unsigned i = 0; i < pow2(DriverMachine::eventq_lg2); ++i) {
    EXPECT_EQ(m.smmu.record(access, fault(EventType::c_bad_cd))->delivery, Delivery::written);
  }
  EXPECT_EQ(m.smmu.record(access, stalls)->delivery, Delivery::waits);
  EXPECT_FALSE(m.smmu.has_stall(3, 5, true)) << "it does not stall before it is recorded";
  EXPECT_FALSE(m.smmu.event_overflow());
  EXPECT_EQ(m.smmu.record(access, fault(EventType::c_bad_cd))->delivery, Delivery::overflows);
  EXPECT_TRUE(m.smmu.event_overflow());
  m.smmu.record(access, fault(EventType::c_bad_cd));
  EXPECT_TRUE(m.smmu.event_overflow()) << "toggled once, until it is acknowledged";
}

TEST_F(Recording, WhatMakesNoneMakesNone) {
  EXPECT_FALSE(m.smmu.record(access, {.kind = OutcomeKind::abort}));
  EXPECT_FALSE(m.smmu.record(access, fault(EventType::c_bad_streamid))) << "RECINVSID = 0";
}

}  // namespace
}  // namespace iommucheck::spec::smmu_event_rules_test
