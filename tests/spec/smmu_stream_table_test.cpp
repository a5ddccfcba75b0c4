// SPDX-License-Identifier: MIT
#include "spec/smmu/stream_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spec/rules/structures.h"
#include "spec/smmu/table_legal.h"
#include "tests/spec/smmu_fixture.h"

namespace iommucheck::spec::smmu_stream_table_test {
namespace {

constexpr u32 two_level_8 = (1 << 16) | (8 << 6) | 16;

TEST(StreamTable, LinearIsAlignedToItsSize) {
  const Capabilities c = full_capabilities();
  const StreamTable t = stream_table_of(0x8000'0fc0, 6, c);  // 64 STEs of 64 bytes: 4 KiB
  EXPECT_FALSE(t.two_level);
  EXPECT_EQ(t.base, 0x8000'0000u);
  EXPECT_EQ(linear_ste_address(t, u64{3}), 0x8000'00c0u);
  EXPECT_TRUE(sid_in_range(t, u64{63}));
  EXPECT_FALSE(sid_in_range(t, u64{64}));
}

TEST(StreamTable, SaysWhatOfItsBaseIsIgnored) {
  const Capabilities c = full_capabilities();
  EXPECT_EQ(ignored_text(stream_table_of(0x8000'2000, 6, c)), "");
  EXPECT_THAT(
      ignored_text(stream_table_of(0x8000'2000, 8, c)),  // 256 STEs: 16 KiB
      ::testing::HasSubstr("says 0x80002000, and a table of this size begins at 0x80000000"));
}

TEST(StreamTable, RangeIsCappedBySidsizeButAlignmentIsNot) {
  Capabilities c = full_capabilities();
  c.sidsize = 4;
  const StreamTable t = stream_table_of(0x8000'0fc0, 6, c);
  EXPECT_FALSE(sid_in_range(t, u64{16}));
  EXPECT_EQ(t.base, 0x8000'0000u);
  c.sidsize = 32;
  EXPECT_TRUE(sid_in_range(stream_table_of(0, 63, c), u64{0xffff'ffff}));
}

TEST(StreamTable, TwoLevelExampleOfTheHeader) {
  const StreamTable t = stream_table_of(0x8000'0000, two_level_8, full_capabilities());
  ASSERT_TRUE(t.two_level);
  EXPECT_EQ(t.split, 8u);
  EXPECT_EQ(l1std_address(t, u64{0x123}), 0x8000'0008u);
  const L1Std<u64> d{0x9000'0000 | 7};
  EXPECT_EQ(l1std_illegal(t, d, u64{0x123}), std::nullopt);
  EXPECT_EQ(second_level_ste_address(t, d, u64{0x123}), 0x9000'08c0u);
}

TEST(StreamTable, SpanRows) {
  const StreamTable t = stream_table_of(0x8000'0000, two_level_8, full_capabilities());
  const auto illegal = [&](u64 span, u64 sid) { return l1std_illegal(t, L1Std<u64>{span}, sid); };
  EXPECT_EQ(illegal(0, 0), rule::L1STD_SPAN_ZERO);
  EXPECT_EQ(illegal(9, 0xff), std::nullopt) << "SPLIT + 1";
  EXPECT_EQ(illegal(10, 0), rule::L1STD_SPAN_RESERVED);
  EXPECT_EQ(illegal(31, 0), rule::L1STD_SPAN_RESERVED);
  EXPECT_EQ(illegal(1, 0), std::nullopt);
  EXPECT_EQ(illegal(1, 1), rule::L1STD_SPAN);
  EXPECT_EQ(illegal(7, 0x13f), std::nullopt);
  EXPECT_EQ(illegal(7, 0x140), rule::L1STD_SPAN);
}

TEST(StreamTable, SecondLevelIsAlignedToItsSize) {
  EXPECT_EQ((L1Std<u64>{0x9000'0fc0 | 7}).l2ptr(), 0x9000'0000u) << "64 STEs: 4 KiB";
  EXPECT_EQ((L1Std<u64>{0x9000'0fc0 | 1}).l2ptr(), 0x9000'0fc0u);
}

TEST(StreamTable, ReservedSplitActsAsSix) {
  const Capabilities c = full_capabilities();
  EXPECT_EQ(stream_table_of(0, (1 << 16) | (7 << 6) | 16, c).split, 6u);
  EXPECT_EQ(stream_table_of(0, (1 << 16) | (10 << 6) | 16, c).split, 10u);
  EXPECT_FALSE(stream_table_of(0, (2 << 16) | (8 << 6) | 16, c).two_level) << "reserved FMT";
}

TEST(StreamTable, Spans) {
  const StreamTable t = stream_table_of(0, two_level_8, full_capabilities());
  EXPECT_EQ(l1std_sids(t, 0x123), (SidRange{0x100, 0x1ff}));
  EXPECT_EQ(span_of(6, 2), (SidRange{4, 7}));
  EXPECT_EQ(span_of(6, 0), (SidRange{6, 6}));
  EXPECT_EQ(l1cd_ssids(6, 70), (SsidRange{64, 127}));
}

// arch 3.2, row by row.
struct Row {
  Stage1SteFields ste;
  bool ssv;
  u64 ssid;
  SubstreamKind kind;
  u64 number;
};

TEST(Substream, Rows) {
  using K = SubstreamKind;
  const Row rows[] = {
      {{.s1cdmax = 0}, true, 0, K::bad_substreamid, 0},
      {{.s1cdmax = 2}, true, 4, K::bad_substreamid, 4},
      {{.s1cdmax = 2}, true, 3, K::cd, 3},
      {{.s1cdmax = 0}, false, 0, K::cd, 0},
      {{.s1cdmax = 0, .s1dss = 1}, false, 0, K::cd, 0},
      {{.s1cdmax = 2, .s1dss = 0}, false, 0, K::stream_disabled, 0},
      {{.s1cdmax = 2, .s1dss = 3}, false, 0, K::stream_disabled, 0},
      {{.s1cdmax = 2, .s1dss = 1}, false, 0, K::bypass_stage1, 0},
      {{.s1cdmax = 2, .s1dss = 2}, false, 0, K::cd, 0},
      {{.s1cdmax = 2, .s1dss = 2}, true, 0, K::stream_disabled, 0},
      {{.s1cdmax = 2, .s1dss = 2}, true, 1, K::cd, 1},
      {{.s1cdmax = 2, .s1dss = 1}, true, 0, K::cd, 0},
      {{.s1cdmax = 2, .s1dss = 0}, true, 0, K::cd, 0},
  };
  for (const Row& row : rows) {
    const auto d =
        select_substream(make_stage1_ste(row.ste), full_capabilities(), row.ssv, row.ssid);
    EXPECT_EQ(d.kind, row.kind) << row.ste.s1cdmax << row.ste.s1dss << row.ssv << row.ssid;
    if (row.kind == K::cd) {
      EXPECT_EQ(d.number, row.number);
    }
  }
  EXPECT_EQ(select_substream(make_bypass_ste(), full_capabilities(), true, u64{1}).event(),
            EventType::c_bad_substreamid);
  EXPECT_EQ(select_substream(make_bypass_ste(), full_capabilities(), false, u64{0}).kind,
            K::no_stage1);
  Capabilities none = full_capabilities();
  none.ssidsize = 0;
  EXPECT_EQ(select_substream(make_stage1_ste({.s1cdmax = 2}), none, true, u64{1}).kind,
            K::bad_substreamid);
}

TEST(CdTable, Addresses) {
  const Capabilities c = full_capabilities();
  const Ste<u64> linear = make_stage1_ste({.s1contextptr = 0x8000'0000, .s1cdmax = 4});
  EXPECT_EQ(cd_leaf_bits(linear, c), 0u);
  EXPECT_EQ(linear_cd_address(linear, u64{3}), 0x8000'00c0u);
  const Ste<u64> small = make_stage1_ste({.s1contextptr = 0x8000'0000, .s1cdmax = 10, .s1fmt = 1});
  EXPECT_EQ(cd_leaf_bits(small, c), 6u);
  EXPECT_EQ(l1cd_address(small, 6, u64{130}), 0x8000'0010u);
  EXPECT_EQ(second_level_cd_address(L1Cd<u64>{0x9000'0001}, 6, u64{130}), 0x9000'0080u);
  const Ste<u64> large = make_stage1_ste({.s1cdmax = 10, .s1fmt = 2});
  EXPECT_EQ(cd_leaf_bits(large, c), 10u);
}

TEST(CdTable, L1cdRows) {
  Capabilities c = full_capabilities();
  c.oas_lg2 = 40;
  EXPECT_EQ(l1cd_illegal(L1Cd<u64>{0x9000'0000}, c), rule::L1CD_VALID);
  EXPECT_EQ(l1cd_illegal(L1Cd<u64>{0x9000'0001}, c), std::nullopt);
  EXPECT_EQ(l1cd_illegal(L1Cd<u64>{0x100'0000'0001}, c), rule::L1CD_L2PTR);
  EXPECT_EQ(l1cd_illegal(L1Cd<u64>{0x100'0000'0001}, c, true), std::nullopt);
}

}  // namespace
}  // namespace iommucheck::spec::smmu_stream_table_test
