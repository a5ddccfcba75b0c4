// SPDX-License-Identifier: MIT
// Walks over tables built by hand. 4 KiB, T0SZ 25: level 1 table 0x1000, level 2 at 0x2000, level 3
// at 0x3000. VA 0x4020_3000 has the indices 1, 1, 3.
#include "spec/arch/walk.h"

#include <gtest/gtest.h>

#include "spec/rules/translation.h"
#include "tests/spec/tables_by_hand.h"

namespace iommucheck::spec::arch_walk_test {
namespace {

constexpr u64 table_bits = 3;
constexpr u64 page_bits = 0x743;  // AF, SH 3, AP[1], page: reads and writes for all
constexpr u64 va = 0x4020'3000;

using Tables = TablesByHand;

Regime<u64> regime() {
  Regime<u64> r;
  r.half[0].tsz = 25;
  r.half[0].ttb = 0x1000;
  r.half[1].epd = true;
  r.ips_lg2 = 48;
  r.mair = 0x04ff;
  return r;
}

Tables tables() { return {{{0x1008, 0x2003}, {0x2008, 0x3003}, {0x3018, 0x5000 | page_bits}}}; }

WalkResult<u64> walk(const Tables& t, const Regime<u64>& r, u64 address,
                     AccessKind access = {AccessType::read, false}) {
  return walk_stage1(t, r, address, access);
}

Fault fault_of(const WalkResult<u64>& result) {
  const Fault* fault = std::get_if<Fault>(&result);
  return fault == nullptr ? Fault{rule::TRANSLATION_RESULT, EventType::none} : *fault;
}

Translation<u64> translation_of(const WalkResult<u64>& result) {
  const auto* t = std::get_if<Translation<u64>>(&result);
  EXPECT_NE(t, nullptr) << "a fault: " << rule_name(fault_of(result).rule);
  return t == nullptr ? Translation<u64>{} : *t;
}

TEST(Walk, Page) {
  const auto t = translation_of(walk(tables(), regime(), va + 0x678));
  EXPECT_EQ(t.output, 0x5678u);
  EXPECT_EQ(t.leaf.output, 0x5000u);
  EXPECT_EQ(t.leaf.level, 3u);
  EXPECT_EQ(t.leaf.extent_lg2, 12u);
  EXPECT_EQ(t.leaf.attr, 0xffu);
  EXPECT_FALSE(t.leaf.ng);
}

TEST(Walk, NeighboursOfThePageFault) {
  EXPECT_EQ(fault_of(walk(tables(), regime(), va + 0x1000)).event, EventType::f_translation);
  EXPECT_EQ(fault_of(walk(tables(), regime(), va + 0x1000)).level, 3u);
  EXPECT_EQ(fault_of(walk(tables(), regime(), va + 0x20'0000)).level, 2u);
  EXPECT_EQ(fault_of(walk(tables(), regime(), va + 0x4000'0000)).level, 1u);
}

TEST(Walk, BlocksOfTwoMebibytesAndOneGibibyte) {
  Tables t = tables();
  t.words[0x2008] = 0xabc0'0000 | 0x741 | (1 << 2);  // block: bit 1 clear; AttrIndx 1
  const auto two = translation_of(walk(t, regime(), 0x4020'3000 + 0x678));
  EXPECT_EQ(two.output, 0xabc0'3678u);
  EXPECT_EQ(two.leaf.extent_lg2, 21u);
  EXPECT_EQ(two.leaf.attr, 0x04u);
  t.words[0x1008] = 0x1'4000'0000 | 0x741;
  EXPECT_EQ(translation_of(walk(t, regime(), 0x4020'3678)).output, 0x1'4020'3678u);
}

TEST(Walk, RangeOfTheInputAddress) {
  // N = 39: bit 39 is beyond. The half is chosen by bit 55 alone.
  EXPECT_EQ(fault_of(walk(tables(), regime(), va | (u64{1} << 39))).rule, rule::S1_VA_IN_RANGE);
  EXPECT_EQ(fault_of(walk(tables(), regime(), va | (u64{1} << 63))).rule, rule::S1_VA_IN_RANGE);
  EXPECT_EQ(fault_of(walk(tables(), regime(), ~u64{0})).rule, rule::S1_EPD);
  Regime<u64> tbi = regime();
  tbi.half[0].tbi = true;
  EXPECT_EQ(translation_of(walk(tables(), tbi, va | (u64{0xa5} << 56))).output, 0x5000u);
  EXPECT_EQ(fault_of(walk(tables(), tbi, va | (u64{1} << 54))).rule, rule::S1_VA_IN_RANGE);
}

TEST(Walk, TheUpperHalf) {
  Regime<u64> r = regime();
  r.half[1] = r.half[0];
  r.half[0].epd = true;
  const u64 upper = 0xffff'ff80'0000'0000 | va;  // bits 63:39 all ones
  EXPECT_EQ(translation_of(walk(tables(), r, upper)).output, 0x5000u);
  EXPECT_EQ(fault_of(walk(tables(), r, upper & ~(u64{1} << 60))).rule, rule::S1_VA_IN_RANGE);
  EXPECT_EQ(fault_of(walk(tables(), r, va)).rule, rule::S1_EPD);
}

TEST(Walk, El2HasOneHalfAndOnePrivilege) {
  Regime<u64> r = regime();
  r.world = StreamWorld::el2;
  Tables t = tables();
  t.words[0x3018] &= ~u64{1 << 6};  // AP[1] is treated as 1
  EXPECT_EQ(translation_of(walk(t, r, va)).output, 0x5000u);
  EXPECT_EQ(fault_of(walk(t, r, ~u64{0})).rule, rule::S1_VA_IN_RANGE);
}

TEST(Walk, OutputSizeCountsForTablesAndLeavesAndBeforeAccessFlag) {
  Regime<u64> r = regime();
  r.ips_lg2 = 36;
  Tables t = tables();
  t.words[0x3018] = (u64{1} << 36) | 0x343;  // AF = 0 as well
  EXPECT_EQ(fault_of(walk(t, r, va)).event, EventType::f_addr_size);
  EXPECT_EQ(fault_of(walk(t, r, va)).level, 3u);
  t.words[0x3018] = (u64{1} << 35) | page_bits;
  EXPECT_EQ(translation_of(walk(t, r, va)).output, u64{1} << 35);
  t.words[0x2008] |= u64{1} << 40;
  EXPECT_EQ(fault_of(walk(t, r, va)).event, EventType::f_addr_size);
  EXPECT_EQ(fault_of(walk(t, r, va)).level, 2u);
}

TEST(Walk, ExternalAbort) {
  Tables t = tables();
  t.words[0x2008] = 0xdead'0000 | table_bits;
  EXPECT_EQ(fault_of(walk(t, regime(), va)).event, EventType::f_walk_eabt);
}

TEST(Walk, TtbBitsBelowTheTableSizeAreIgnored) {
  Regime<u64> r = regime();
  r.half[0].ttb = 0x1ff0;  // level 1 with 512 entries: aligned to 4 KiB
  EXPECT_EQ(translation_of(walk(tables(), r, va)).output, 0x5000u);
  r.half[0].tsz = 31;  // 33 bits: 8 entries of 8 bytes; 0x1ff0 is now the table at 0x1fc0
  EXPECT_EQ(start_table(r, 0).address, 0x1fc0u);
  r.half[0].tsz = 33;  // 2 entries of 8 bytes
  EXPECT_EQ(start_table(r, 0).address, 0x1ff0u);
  r.ips_lg2 = 52;  // 64 bytes at least
  EXPECT_EQ(start_table(r, 0).address, 0x1fc0u);
}

TEST(Walk, HierarchicalAttributesRestrictTheLeafAndNeverFaultAbove) {
  Tables t = tables();
  t.words[0x1008] |= u64{1} << 62;  // APTable[1]: no writes below
  const AccessKind write{AccessType::write, false};
  EXPECT_EQ(translation_of(walk(t, regime(), va)).output, 0x5000u);
  EXPECT_EQ(fault_of(walk(t, regime(), va, write)).rule, rule::S1_PERMISSION);
  EXPECT_EQ(fault_of(walk(t, regime(), va + 0x1000, write)).event, EventType::f_translation);
  Regime<u64> had = regime();
  had.half[0].had = true;
  EXPECT_EQ(translation_of(walk(t, had, va, write)).output, 0x5000u);
  t.words[0x1008] = 0x2003 | (u64{1} << 61);  // APTable[0]: no unprivileged access
  EXPECT_EQ(fault_of(walk(t, regime(), va)).rule, rule::S1_PERMISSION);
  EXPECT_EQ(translation_of(walk(t, regime(), va, {AccessType::read, true})).output, 0x5000u);
}

TEST(Walk, E0pdFaultsUnprivilegedAccessBeforeTheWalk) {
  Regime<u64> r = regime();
  r.half[0].e0pd = true;
  EXPECT_EQ(fault_of(walk(tables(), r, va)).rule, rule::S1_E0PD);
  EXPECT_EQ(translation_of(walk(tables(), r, va, {AccessType::read, true})).output, 0x5000u);
}

TEST(Walk, BitSixteenIsNtOfABlockAndAnAddressBitOfAPage) {
  Tables t = tables();
  t.words[0x3018] |= u64{1} << 16;
  EXPECT_FALSE(translation_of(walk(t, regime(), va)).leaf.nt);
  EXPECT_EQ(translation_of(walk(t, regime(), va)).output, 0x1'5000u);
  t.words[0x2008] = (u64{3} << 21) | (u64{1} << 16) | (page_bits & ~u64{2});
  const auto block = translation_of(walk(t, regime(), va));
  EXPECT_TRUE(block.leaf.nt);
  EXPECT_EQ(block.output, (u64{3} << 21) + (va & 0x1f'ffff));
}

TEST(Walk, ContiguousHintIsReportedAndDoesNotChangeTheOutput) {
  Tables t = tables();
  t.words[0x3018] |= u64{1} << 52;
  const auto result = translation_of(walk(t, regime(), va));
  EXPECT_TRUE(result.leaf.contiguous);
  EXPECT_EQ(result.output, 0x5000u);
}

/// DDI 0487 D8.2: the bits above the input size are those of the half that is asked about.
TEST(Walk, TheUpperHalfHasOnesAboveItsSize) {
  Regime<u64> r = regime();
  r.half[1] = r.half[0];
  EXPECT_TRUE(va_in_range(r, 1, ~mask(38, 0)));
  EXPECT_FALSE(va_in_range(r, 1, u64{0}));
  EXPECT_FALSE(va_in_range(r, 1, mask(63, 40)));
  EXPECT_TRUE(va_in_range(r, 0, u64{0}));
  EXPECT_FALSE(va_in_range(r, 0, ~mask(38, 0)));
}

/// With 64 KiB a block at level 1 is 4 TiB, and several of them are no group.
TEST(Walk, TheContiguousHintIsIgnoredWhereThereAreNoGroups) {
  Regime<u64> r = regime();
  r.half[0].tg = Granule::g64k;
  const u64 word = 0x741 | u64{1} << 52;
  EXPECT_FALSE(make_leaf(r, 0, 1, word, u64{0}, {}).contiguous);
  EXPECT_TRUE(make_leaf(r, 0, 2, word, u64{0}, {}).contiguous);
}

}  // namespace
}  // namespace iommucheck::spec::arch_walk_test
