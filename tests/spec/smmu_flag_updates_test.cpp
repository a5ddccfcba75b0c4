// SPDX-License-Identifier: MIT
// What an access that both stages translate writes into descriptors, word by word. IHI 0070 3.13.5,
// 3.13.7.1. Tables as in smmu_nested_test.cpp: stage 2 at 0x100000 to 0x102000, physical is
// intermediate + 0x800000.
#include "spec/smmu/decisions.h"
#include "spec/smmu/flag_updates.h"

#include <gtest/gtest.h>

#include <map>

#include "base/bits.h"
#include "spec/smmu/flag_walks.h"

namespace iommucheck::spec::smmu_flag_updates_test {
namespace {

constexpr u64 level1 = 0x100000, level2 = 0x101000, level3 = 0x102000;
constexpr u64 far = 0x800000;
constexpr u64 cd_ipa = 0x10000, tables = 0x20000, data = 0x40000, va = 0x7000;
constexpr u64 af = descriptor_bits::af, dbm = descriptor_bits::dbm, write = u64{1} << 7;
constexpr u64 page2 = 0x7ff;         // of stage 2: all rights, AF
constexpr u64 page1 = data | 0x743;  // of stage 1: all rights, AF
constexpr u32 sid = 3;

class FlagsOfBoth : public testing::Test {
 protected:
  FlagsOfBoth() {
    words_[level1] = level2 | 3;
    words_[level2] = level3 | 3;
    for (const u64 ipa : {cd_ipa, tables, tables + 0x1000, tables + 0x2000, data}) {
      words_[leaf2(ipa)] = (ipa + far) | page2;
    }
    words_[far + tables] = (tables + 0x1000) | 3;
    words_[far + tables + 0x1000] = (tables + 0x2000) | 3;
    words_[leaf1] = page1;
    CdFields fields;
    fields.ttb0 = tables;
    fields.t0sz = 25;
    fields.asid = 1;
    fields.ips = address_size_encoding(44);
    Cd<u64> cd = make_cd(fields);
    cd.dw[0] |= u64{3} << 42;  // HA, HD
    put(far + cd_ipa, cd.dw);
    Stage1SteFields stage1;
    stage1.s1contextptr = cd_ipa;
    stage1.eats = 1;
    Ste<u64> ste = with_stage2(make_stage1_ste(stage1), {.s2ttb = level1, .s2ps = 4});
    ste.dw[2] |= u64{3} << 55;  // S2HA, S2HD
    put(0x1000 + 64 * sid, ste.dw);
    Capabilities caps;
    caps.s1p = caps.s2p = caps.aarch64 = caps.gran4k = caps.asid16 = caps.ats = true;
    caps.oas_lg2 = 44;
    caps.sidsize = 6;
    caps.httu = 3;
    state_ = {
        .caps = caps, .streams = {.base = 0x1000, .log2size = 6, .sid_bits = 6}, .smmuen = true};
  }
  static u64 leaf2(u64 ipa) { return level3 + 8 * (ipa >> 12); }
  static constexpr u64 leaf1 = far + tables + 0x2000 + 8 * (va >> 12);
  template <class Words>
  void put(u64 place, const Words& words) {
    for (std::size_t i = 0; i < words.size(); ++i) words_[place + 8 * i] = words[i];
  }
  struct Source {
    std::map<u64, u64>& words;
    std::optional<u64> read(Structure, u64 pa) { return words[pa]; }
  };
  FlagUpdates updates(AccessType type, Arrival arrival = Arrival::untranslated) {
    Source source{words_};
    Access access{.sid = sid, .type = type, .va = arrival == Arrival::translated ? data : va};
    if (arrival != Arrival::untranslated) access.route = Route::translated;
    return flag_updates(source, state_, access, arrival);
  }
  /// What is written, by address.
  std::map<u64, u64> written(AccessType type, Arrival arrival = Arrival::untranslated) {
    std::map<u64, u64> all;
    for (const FlagUpdate& one : updates(type, arrival).all) {
      EXPECT_EQ(one.from, words_[one.pa]);
      EXPECT_TRUE(all.emplace(one.pa, one.to).second) << "a word stands twice";
    }
    return all;
  }

  std::map<u64, u64> words_;
  SmmuState state_;
};

using Words = std::map<u64, u64>;

TEST_F(FlagsOfBoth, NothingIsWrittenWhereAllIsSet) {
  EXPECT_EQ(written(AccessType::write), Words{});
  EXPECT_TRUE(updates(AccessType::read).both);
  EXPECT_TRUE(updates(AccessType::read).known);
}

TEST_F(FlagsOfBoth, AReadAccessesTheLeafOfEachStage) {
  words_[leaf1] &= ~af;
  words_[leaf2(data)] &= ~af;
  EXPECT_EQ(written(AccessType::read),
            (Words{{leaf1, page1}, {leaf2(data), (data + far) | page2}}));
}

/// Those that map the CD and tables as well.
TEST_F(FlagsOfBoth, WhatMapsTablesIsAccessed) {
  for (const u64 ipa : {cd_ipa, tables, tables + 0x1000, tables + 0x2000}) {
    words_[leaf2(ipa)] &= ~af;
  }
  const Words all = written(AccessType::read);
  EXPECT_EQ(all.size(), 4U);
  EXPECT_TRUE(all.contains(leaf2(cd_ipa)));
}

TEST_F(FlagsOfBoth, AWriteMakesTheLeafOfEachStageDirty) {
  words_[leaf1] |= dbm | write;                                // AP[2]: writable-clean
  words_[leaf2(data)] = (words_[leaf2(data)] | dbm) & ~write;  // S2AP[1]
  EXPECT_EQ(written(AccessType::read), Words{});
  const Words all = written(AccessType::write);
  EXPECT_EQ(all, (Words{{leaf1, page1 | dbm}, {leaf2(data), (data + far) | page2 | dbm}}));
}

/// The flag of stage 1 is a write into the page of its table. 3.13.5.
TEST_F(FlagsOfBoth, AFlagMakesThePageOfItsTableDirty) {
  const u64 maps = leaf2(tables + 0x2000);
  words_[maps] = (words_[maps] | dbm) & ~write & ~af;
  EXPECT_EQ(written(AccessType::read), (Words{{maps, words_[maps] | af}}));
  words_[leaf1] &= ~af;
  EXPECT_EQ(written(AccessType::read), (Words{{leaf1, page1}, {maps, words_[maps] | af | write}}));
  const FlagUpdates made = updates(AccessType::read);
  EXPECT_EQ(made.leaves, (std::vector<u64>{leaf1, leaf2(data)}));
  EXPECT_NE(std::ranges::find(made.leaves_of_tables, maps), made.leaves_of_tables.end());
}

TEST_F(FlagsOfBoth, ARequestWritesWhatTheRightThatItIsGrantedNeeds) {
  words_[leaf1] = (page1 & ~af) | dbm | write;
  EXPECT_EQ(written(AccessType::read, Arrival::request), (Words{{leaf1, page1 | dbm | write}}));
  EXPECT_EQ(written(AccessType::write, Arrival::request), (Words{{leaf1, page1 | dbm}}));
  words_[leaf1] = (page1 & ~af) | write;  // read-only
  EXPECT_EQ(written(AccessType::write, Arrival::request), Words{});
}

/// Split-stage ATS: the request marks stage 1, and what is sent the page that it leads to, which
/// the request may mark already. 3.13.7.1.
TEST_F(FlagsOfBoth, WhatSplitStageAtsSendsMarksItsPage) {
  state_.atschk = true;
  words_[0x1000 + 64 * sid + 8] ^= u64{3} << 28;  // EATS = 2
  words_[leaf1] = (page1 & ~af) | dbm | write;
  const u64 clean = (words_[leaf2(data)] | dbm) & ~write & ~af;
  words_[leaf2(data)] = clean;
  EXPECT_EQ(written(AccessType::write, Arrival::request), (Words{{leaf1, page1 | dbm}}));
  EXPECT_EQ(updates(AccessType::write, Arrival::request).may_be_dirty, leaf2(data));
  EXPECT_EQ(updates(AccessType::read, Arrival::request).may_be_dirty, std::nullopt);
  EXPECT_EQ(updates(AccessType::read, Arrival::request).leaves.front(), leaf2(data));
  EXPECT_EQ(written(AccessType::read, Arrival::translated), (Words{{leaf2(data), clean | af}}));
  EXPECT_EQ(written(AccessType::write, Arrival::translated),
            (Words{{leaf2(data), clean | af | write}}));
  state_.atschk = false;
  EXPECT_EQ(written(AccessType::write, Arrival::request), Words{});
  EXPECT_EQ(written(AccessType::write, Arrival::translated), Words{});
}

TEST_F(FlagsOfBoth, OfBigEndianTablesTheBytesAreTurned) {
  state_.caps.ttendian = 0;
  words_[0x1000 + 64 * sid + 16] |= u64{1} << 52;  // S2ENDI
  words_[leaf2(data)] &= ~af;
  for (auto& [pa, word] : words_) {
    if (pa - level1 < 0x3000) word = __builtin_bswap64(word);
  }
  const Words all = written(AccessType::read);
  ASSERT_EQ(all.size(), 1U);
  EXPECT_EQ(all.at(leaf2(data)), __builtin_bswap64((data + far) | page2));
  EXPECT_TRUE(updates(AccessType::read).endi);
}

}  // namespace
}  // namespace iommucheck::spec::smmu_flag_updates_test
