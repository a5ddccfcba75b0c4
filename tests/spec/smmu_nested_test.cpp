// SPDX-License-Identifier: MIT
// A transaction through both stages, or the second alone, over tables built by hand: each fault
// with its stage, what it was of, the intermediate address, and the address that was fetched. IHI
// 0070 7.3.12 to 7.3.16, 7.3.22.
//
// All is 4 KiB. Stage 2: level 1 at 0x100000, level 2 at 0x101000, level 3 at 0x102000, so that IPA
// P * 0x1000 has its leaf at 0x102000 + 8 * P. The guest's CD is at IPA 0x10000, its tables at
// 0x20000, 0x21000 and 0x22000, its page 0x7000 at 0x40000; physical is intermediate + 0x800000.
#include <gtest/gtest.h>

#include <map>

#include "base/bits.h"
#include "spec/rules/translation.h"
#include "spec/smmu/event_rules.h"
#include "spec/smmu/transaction.h"

namespace iommucheck::spec::smmu_nested_test {
namespace {

constexpr u64 level1 = 0x100000, level2 = 0x101000, level3 = 0x102000;
constexpr u64 far = 0x800000;  // of what is physical from what is intermediate
constexpr u64 cd_ipa = 0x10000, tables = 0x20000, data = 0x40000, va = 0x7000;
constexpr u64 page = 0x7ff;          // of stage 2: all rights, Normal
constexpr u64 absent = 0xdead'0000;  // where no memory is
constexpr u32 sid = 3;

Capabilities machine() {
  Capabilities caps;
  caps.s1p = caps.s2p = true;
  caps.aarch64 = caps.gran4k = true;
  caps.asid16 = caps.attr_perms_ovr = true;
  caps.oas_lg2 = 44;
  caps.ssidsize = 4;
  caps.sidsize = 6;
  caps.stall_model = StallModel::both;
  return caps;
}

class Nested : public testing::Test {
 protected:
  Nested() {
    words_[level1] = level2 | 3;
    words_[level2] = level3 | 3;
    for (const u64 ipa : {cd_ipa, tables, tables + 0x1000, tables + 0x2000, data}) map(ipa);
    words_[far + tables] = (tables + 0x1000) | 3;
    words_[far + tables + 0x1000] = (tables + 0x2000) | 3;
    stage1_leaf(data | 0x743);  // AF, SH 3, AP[1]
    CdFields fields;
    fields.ttb0 = tables;
    fields.t0sz = 25;
    fields.asid = 1;
    fields.ips = address_size_encoding(44);
    put(far + cd_ipa, make_cd(fields).dw);
    Stage1SteFields stage1;
    stage1.s1contextptr = cd_ipa;
    ste_ = with_stage2(make_stage1_ste(stage1), {.s2ttb = level1, .s2ps = 4});
    state_ = {.caps = machine(),
              .streams = {.base = 0x1000, .log2size = 6, .sid_bits = 6},
              .smmuen = true};
  }

  void map(u64 ipa, u64 bits = page) { words_[leaf_of(ipa)] = (ipa + far) | bits; }
  static u64 leaf_of(u64 ipa) { return level3 + 8 * (ipa >> 12); }
  void stage1_leaf(u64 word) { words_[far + tables + 0x2000 + 8 * (va >> 12)] = word; }
  template <class Words>
  void put(u64 place, const Words& words) {
    for (std::size_t i = 0; i < words.size(); ++i) words_[place + 8 * i] = words[i];
  }

  struct Source {
    std::map<u64, u64>& words;
    std::optional<u64> read(Structure, u64 pa) {
      if (pa >= absent) return std::nullopt;
      return words[pa];
    }
  };
  Access access(u64 at, AccessType type = AccessType::read) {
    return {.sid = sid, .type = type, .va = at};
  }
  Outcome outcome(const Access& one) {
    put(0x1000 + 64 * sid, ste_.dw);
    Source source{words_};
    return untranslated_transaction(source, state_, one);
  }
  Outcome outcome(u64 at = va, AccessType type = AccessType::read) {
    return outcome(access(at, type));
  }
  AtsCompletion request(const Access& one) {
    put(0x1000 + 64 * sid, ste_.dw);
    Source source{words_};
    return ats_request(source, state_, one);
  }

  std::map<u64, u64> words_;
  Ste<u64> ste_;
  SmmuState state_;
};

void expect_fault(const Outcome& o, EventType event, Stage2Input input, u64 ipa, u64 fetched) {
  EXPECT_EQ(o.kind, OutcomeKind::fault);
  EXPECT_EQ(event_name(o.event), event_name(event));
  EXPECT_TRUE(o.stage2);
  EXPECT_EQ(o.input, input);
  EXPECT_EQ(o.ipa, ipa);
  EXPECT_EQ(o.origin, fetched);
}
void expect_stage1(const Outcome& o, EventType event, u64 fetched) {
  EXPECT_EQ(event_name(o.event), event_name(event));
  EXPECT_FALSE(o.stage2);
  EXPECT_EQ(o.origin, fetched);
}

TEST_F(Nested, BothStagesLetItPass) {
  EXPECT_EQ(outcome(va + 0x678).pa, far + data + 0x678);
  EXPECT_EQ(outcome(va, AccessType::write).pa, far + data);
  EXPECT_EQ(outcome().kind, OutcomeKind::translation);
}

TEST_F(Nested, Stage2AloneTranslatesTheAddress) {
  ste_ = with_stage2(make_bypass_ste(), {.s2ttb = level1, .s2ps = 4});
  EXPECT_EQ(outcome(data + 4).pa, far + data + 4);
  expect_fault(outcome(0x50008), EventType::f_translation, Stage2Input::transaction, 0x50008,
               leaf_of(0x50000));
  expect_fault(outcome(u64{1} << 39), EventType::f_translation, Stage2Input::transaction,
               u64{1} << 39, 0);
  // Beyond the input size it is stage 1 that refuses, and no S2R makes it silent.
  expect_stage1(outcome(u64{1} << 44), EventType::f_addr_size, 0);
  ste_ = with_stage2(make_bypass_ste(), {.s2ttb = level1, .s2ps = 4, .s2r = false});
  EXPECT_TRUE(outcome(u64{1} << 44).reaction.record);
  EXPECT_FALSE(outcome(0x50000).reaction.record);
}

TEST_F(Nested, WhatStage2HasAgainstEachFetch) {
  map(cd_ipa, 0);
  expect_fault(outcome(), EventType::f_translation, Stage2Input::cd, cd_ipa, leaf_of(cd_ipa));
  map(cd_ipa, page & ~u64{0x40});
  expect_fault(outcome(), EventType::f_permission, Stage2Input::cd, cd_ipa, leaf_of(cd_ipa));
  map(cd_ipa, page & ~u64{0x80});  // it need not be written
  EXPECT_EQ(outcome(va, AccessType::write).kind, OutcomeKind::translation);
  for (u64 i = 0; i < 3; ++i) {
    const u64 table = tables + 0x1000 * i;
    const u64 place = table + (i == 2 ? 8 * (va >> 12) : 0);
    map(table, page & ~u64{0x400});
    expect_fault(outcome(), EventType::f_access, Stage2Input::stage1_descriptor, place,
                 leaf_of(table));
    map(table);
  }
  map(data, page & ~u64{0x80});
  EXPECT_EQ(outcome().kind, OutcomeKind::translation);
  expect_fault(outcome(va + 8, AccessType::write), EventType::f_permission,
               Stage2Input::transaction, data + 8, leaf_of(data));
  map(data, page | (u64{1} << 46));
  expect_fault(outcome(), EventType::f_addr_size, Stage2Input::transaction, data, leaf_of(data));
}

/// Its record is of the transaction, not of the fetch. 7.3.13.
TEST_F(Nested, TheRecordSaysWhatWasAsked) {
  map(tables, 0);
  const Access write = access(va + 4, AccessType::write);
  const EventFields fields = fields_of(write, outcome(write));
  EXPECT_TRUE(fields.stage2);
  EXPECT_EQ(fields.event_class, EventClass::tt);
  EXPECT_EQ(fields.input_address, va + 4);
  EXPECT_EQ(fields.ipa, tables);
  EXPECT_FALSE(fields.read);
  map(tables);
  map(cd_ipa, 0);
  EXPECT_EQ(fields_of(write, outcome(write)).event_class, EventClass::cd);
  map(cd_ipa);
  map(data, 0);
  EXPECT_EQ(fields_of(write, outcome(write)).event_class, EventClass::in);
}

TEST_F(Nested, AbortsOfEachStage) {
  const auto leads_nowhere = [&](u64 ipa) { words_[leaf_of(ipa)] = absent | page; };
  leads_nowhere(cd_ipa);
  expect_stage1(outcome(), EventType::f_cd_fetch, absent);
  map(cd_ipa);
  leads_nowhere(tables + 0x2000);
  expect_stage1(outcome(), EventType::f_walk_eabt, absent + 8 * (va >> 12));
  EXPECT_EQ(fields_of(access(va), outcome()).event_class, EventClass::tt);
  map(tables + 0x2000);
  // A table of stage 2 of its own, which is not there.
  const u64 apart = u64{1} << 21;
  words_[level2 + 8] = absent | 3;
  stage1_leaf(apart | 0x743);
  expect_fault(outcome(), EventType::f_walk_eabt, Stage2Input::transaction, apart, absent);
  words_[far + tables] = apart | 3;
  expect_fault(outcome(), EventType::f_walk_eabt, Stage2Input::stage1_descriptor, apart, absent);
  ste_.dw[0] = with_bits(ste_.dw[0], 51, 6, apart >> 6);
  expect_fault(outcome(), EventType::f_walk_eabt, Stage2Input::cd, apart, absent);
}

TEST_F(Nested, Stage1IsAskedFirst) {
  map(data, 0);
  stage1_leaf(0);
  expect_stage1(outcome(), EventType::f_translation, far + tables + 0x2000 + 8 * (va >> 12));
  stage1_leaf(data | 0x743 | 0x80);
  EXPECT_TRUE(outcome().stage2);
  EXPECT_EQ(outcome(va, AccessType::write).event, EventType::f_permission);
  EXPECT_FALSE(outcome(va, AccessType::write).stage2);
  stage1_leaf((u64{1} << 39) | 0x743);  // within IPS, beyond S2T0SZ: nothing is fetched
  expect_fault(outcome(), EventType::f_translation, Stage2Input::transaction, u64{1} << 39, 0);
}

TEST_F(Nested, ReactionIsThatOfTheStage) {
  ste_.dw[2] |= u64{1} << 57;  // S2S
  map(data, 0);
  EXPECT_TRUE(outcome().stalled());
  map(data);
  stage1_leaf(0);
  EXPECT_FALSE(outcome().stalled());
}

/// With AArch32 an IPA has 40 bits, however small the output: what stage 2 alone translates is
/// compared with that. 3.4.
TEST_F(Nested, TheInputSizeMayBeLargerThanTheOutput) {
  state_.caps.aarch32 = true;
  state_.caps.oas_lg2 = 36;
  ste_ = with_stage2(make_bypass_ste(), {.s2ttb = level1, .s2ps = 1});
  expect_fault(outcome(u64{1} << 36), EventType::f_translation, Stage2Input::transaction,
               u64{1} << 36, level1 + 8 * 64);
  EXPECT_EQ(outcome(u64{1} << 40).rule, rule::S1_BYPASS_SIZE);
}

/// Without a SubstreamID stage 1 is skipped, and stage 2 is not. 5.2 (S1DSS).
TEST_F(Nested, BypassOfStage1) {
  ste_.dw[0] = with_bits(ste_.dw[0], 63, 59, 1);
  ste_.dw[1] |= 1;
  EXPECT_EQ(outcome(data).pa, far + data);
  expect_fault(outcome(va), EventType::f_translation, Stage2Input::transaction, va, leaf_of(va));
  expect_stage1(outcome(u64{1} << 44), EventType::f_addr_size, 0);
}

/// Either end is legal: C_BAD_STE or a fault of stage 2. 3.4.3.
TEST_F(Nested, AContextPointerBeyondTheInputSizeIsOpen) {
  ste_.dw[0] |= u64{1} << 46;
  EXPECT_EQ(outcome().kind, OutcomeKind::any);
}

/// S2ENDI and ENDI turn what a descriptor says, each of its own tables. 5.2, 5.4.
TEST_F(Nested, BigEndianTablesAreTheOtherWayRound) {
  state_.caps.ttendian = 0;
  const Outcome little = outcome();
  ASSERT_EQ(little.kind, OutcomeKind::translation);
  ste_.dw[2] |= u64{1} << 52;  // S2ENDI
  EXPECT_EQ(outcome().event, EventType::f_translation);
  const auto turn = [&](u64 first, u64 bytes) {
    for (auto& [pa, word] : words_) {
      if (pa - first < bytes) word = __builtin_bswap64(word);
    }
  };
  turn(level1, 0x3000);
  EXPECT_TRUE(outcome().same(little));
  words_[far + cd_ipa] |= u64{1} << 15;  // ENDI
  EXPECT_EQ(outcome().event, EventType::f_translation);
  EXPECT_FALSE(outcome().stage2);
  turn(far + tables, 0x3000);
  EXPECT_TRUE(outcome().same(little));
}

TEST_F(Nested, TablesThatAreNotDescribedAreOpen) {
  state_.caps.aarch32 = true;
  ste_.dw[2] &= ~(u64{1} << 51);  // S2AA64
  EXPECT_EQ(outcome().kind, OutcomeKind::any);
}

/// Permissions by indirection, and a VMS, where the SMMU has them. 5.2.2, 6.3.4.
TEST_F(Nested, WhatStage2AddsInLaterVersionsIsOpen) {
  const Ste<u64> plain = ste_;
  const auto with = [&](unsigned word, unsigned bit) {
    ste_ = plain;
    ste_.dw[word] |= u64{1} << bit;
    return outcome().kind;
  };
  for (const bool claimed : {false, true}) {
    state_.caps.s2pi = state_.caps.s2po = state_.caps.mpam = claimed;
    const OutcomeKind expected = claimed ? OutcomeKind::any : OutcomeKind::translation;
    EXPECT_EQ(with(2, 60), expected) << "S2PIE";
    EXPECT_EQ(with(2, 61), expected) << "S2POE";
    EXPECT_EQ(with(1, 26), expected) << "S1MPAM";
  }
}

/// Flags of stage 1 are written where stage 2 lets the table be written. 3.13.5, 7.3.16.
TEST_F(Nested, UpdatesOfDescriptorsAreWrites) {
  state_.caps.httu = 3;
  const u64 table = tables + 0x2000;
  const u64 place = table + 8 * (va >> 12);
  words_[far + cd_ipa] |= u64{3} << 42;  // HD, HA
  map(table, page & ~u64{0x80});         // read-only
  EXPECT_EQ(outcome().kind, OutcomeKind::translation) << "nothing to update";
  stage1_leaf(data | 0x343);  // AF = 0
  expect_fault(outcome(), EventType::f_permission, Stage2Input::stage1_update, place,
               leaf_of(table));
  const EventFields fields = fields_of(access(va), outcome());
  EXPECT_EQ(fields.event_class, EventClass::tt);
  EXPECT_FALSE(fields.descriptor_read);
  EXPECT_TRUE(fields.read) << "of the transaction";
  map(table);
  EXPECT_EQ(outcome().kind, OutcomeKind::translation);
  // The dirty state is one, too, and a write alone sets it.
  stage1_leaf(data | 0x7c3 | (u64{1} << 51));
  EXPECT_TRUE(outcome(va, AccessType::write).dirty) << "what stage 1 says is kept";
  EXPECT_FALSE(outcome().dirty);
  map(table, page & ~u64{0x80});
  EXPECT_EQ(outcome().kind, OutcomeKind::translation);
  EXPECT_EQ(outcome(va, AccessType::write).input, Stage2Input::stage1_update);
  // Hardware may mark the table's page itself: S2HA, S2HD, DBM.
  map(table, (page & ~u64{0x80}) | (u64{1} << 51));
  ste_.dw[2] |= u64{3} << 55;
  EXPECT_EQ(outcome(va, AccessType::write).kind, OutcomeKind::translation);
}

/// Whether AF of a leaf that refuses the access is set is open; who sets it asks stage 2 first.
/// 3.13.2; DDI 0487, AArch64.S1Translate.
TEST_F(Nested, UpdatesOfWhatIsRefusedMayBeRefused) {
  state_.caps.httu = 3;
  const u64 table = tables + 0x2000;
  words_[far + cd_ipa] |= u64{1} << 43;  // HA
  map(table, page & ~u64{0x80});         // read-only
  stage1_leaf(data | 0x3c3);             // AF = 0, read-only
  const auto written = [&](bool eager) {
    state_.sets_af_of_refused = eager;
    return outcome(va, AccessType::write);
  };
  EXPECT_EQ(written(false).rule, rule::S1_PERMISSION);
  EXPECT_FALSE(written(false).stage2);
  expect_fault(written(true), EventType::f_permission, Stage2Input::stage1_update,
               table + 8 * (va >> 12), leaf_of(table));
  map(table);
  EXPECT_FALSE(written(true).stage2) << "stage 2 lets it be written";
  map(table, page & ~u64{0x80});
  stage1_leaf(data | 0x7c3);
  EXPECT_FALSE(written(true).stage2) << "AF is 1 already";
}

TEST_F(Nested, FlagsOfTableDescriptorsAreWrittenToo) {
  state_.caps.httu = 3;
  words_[far + cd_ipa] |= u64{1} << 43;     // HA
  words_[far + cd_ipa + 8] |= u64{1} << 3;  // HAFT
  for (const u64 table : {tables, tables + 0x1000}) words_[far + table] |= u64{1} << 10;
  EXPECT_EQ(outcome().kind, OutcomeKind::translation);
  map(tables, page & ~u64{0x80});
  EXPECT_EQ(outcome().kind, OutcomeKind::translation);
  words_[far + tables] &= ~(u64{1} << 10);
  expect_fault(outcome(), EventType::f_permission, Stage2Input::stage1_update, tables,
               leaf_of(tables));
}

/// The answer is an intermediate address, with what both stages permit; with ATSCHK = 0 it is off.
/// 3.9.1.2, 5.2 (EATS), 13.6.3.
TEST_F(Nested, SplitStageAtsAnswersWithIpas) {
  state_.caps.ats = true;
  ste_.dw[1] |= u64{2} << 28;  // EATS
  EXPECT_EQ(request(access(va)).status, AtsStatus::unsupported_request);
  EXPECT_EQ(request(access(va)).event, EventType::f_bad_ats_treq);
  state_.atschk = true;
  EXPECT_EQ(request(access(va)).granted.pa, data);
  EXPECT_EQ(request(access(va)).event, EventType::none);
  map(data, page & ~u64{0x80});
  EXPECT_EQ(request(access(va)).granted.pa, data);
  EXPECT_EQ(request(access(va, AccessType::write)).granted.kind, OutcomeKind::denied);
  EXPECT_EQ(request(access(va, AccessType::write)).status, AtsStatus::success);
  map(data, 0);
  EXPECT_EQ(request(access(va)).granted.kind, OutcomeKind::denied);
}

/// It is sent, and stage 2 translates it; faults are recorded as those of other accesses. 3.9.1.3.
TEST_F(Nested, SplitStageAtsSendsIpas) {
  state_.caps.ats = state_.atschk = true;
  ste_.dw[1] |= u64{2} << 28;
  const auto sent = [&](u64 ipa, AccessType type = AccessType::read) {
    put(0x1000 + 64 * sid, ste_.dw);
    Source source{words_};
    return translated_transaction(source, state_, access(ipa, type), {.kind = OutcomeKind::bypass});
  };
  EXPECT_EQ(sent(data + 8).pa, far + data + 8);
  EXPECT_EQ(sent(data + 8).kind, OutcomeKind::translation);
  map(data, page & ~u64{0x80});
  EXPECT_EQ(sent(data).pa, far + data);
  expect_fault(sent(data, AccessType::write), EventType::f_permission, Stage2Input::transaction,
               data, leaf_of(data));
  map(data, 0);
  expect_fault(sent(data), EventType::f_translation, Stage2Input::transaction, data, leaf_of(data));
  const Outcome beyond = sent(u64{1} << ias_lg2(state_.caps));
  EXPECT_EQ(event_name(beyond.event), event_name(EventType::f_addr_size));
  EXPECT_FALSE(beyond.stage2);
}

/// What S1DSS lets past stage 1 is answered with itself. 13.6.5.
TEST_F(Nested, SplitStageAtsPastStage1) {
  state_.caps.ats = state_.atschk = true;
  ste_.dw[0] = with_bits(ste_.dw[0], 63, 59, 1);
  ste_.dw[1] |= u64{2} << 28 | 1;
  EXPECT_EQ(request(access(data)).granted.pa, data);
  map(data, page & ~u64{0x80});
  EXPECT_EQ(request(access(data)).granted.pa, data);
  EXPECT_EQ(request(access(data, AccessType::write)).granted.kind, OutcomeKind::denied);
}

/// What ATS grants is what both stages grant; execution needs reading. 13.7.1.
TEST_F(Nested, RequestsByAts) {
  state_.caps.ats = true;
  ste_.dw[1] |= u64{1} << 28;  // EATS
  Access one = access(va, AccessType::execute);
  one.ssv = true;
  one.ssid = 0;
  ste_.dw[0] = with_bits(ste_.dw[0], 63, 59, 1);
  EXPECT_EQ(request(one).granted.pa, far + data);
  map(data, page & ~u64{0x40});
  EXPECT_EQ(request(one).granted.kind, OutcomeKind::denied);
  EXPECT_EQ(request(one).status, AtsStatus::success);
  one.type = AccessType::write;
  EXPECT_EQ(request(one).granted.pa, far + data);
}

}  // namespace
}  // namespace iommucheck::spec::smmu_nested_test
