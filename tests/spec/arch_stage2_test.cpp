// SPDX-License-Identifier: MIT
// Stage 2 walks over tables built by hand. 4 KiB, S2T0SZ 25, S2SL0 1: a level 1 table at 0x1000,
// level 2 at 0x2000, level 3 at 0x3000. IPA 0x4020_3000 has the indices 1, 1, 3.
#include "spec/arch/stage2.h"

#include <gtest/gtest.h>

#include "spec/arch/stage2_walk.h"
#include "spec/rules/translation.h"
#include "tests/spec/tables_by_hand.h"

namespace iommucheck::spec::arch_stage2_test {
namespace {

constexpr u64 page_bits = 0x7ff;  // AF, SH 3, S2AP 3, MemAttr 15, page
constexpr u64 ipa = 0x4020'3000;
constexpr AccessKind read{}, write{AccessType::write, false};

using Tables = TablesByHand;

Stage2<u64> plain() {
  Stage2<u64> s;
  s.ttb = 0x1000;
  return s;
}
Tables tables() { return {{{0x1008, 0x2003}, {0x2008, 0x3003}, {0x3018, 0x5000 | page_bits}}}; }
/// The same with another leaf.
Tables leaf(u64 word) {
  Tables t = tables();
  t.words[0x3018] = word;
  return t;
}

Fault fault(const Tables& t, const Stage2<u64>& s, u64 at, AccessKind access = read,
            Stage2Input input = Stage2Input::transaction) {
  const Stage2Result<u64> result = walk_stage2(t, s, at, access, input);
  const Fault* found = std::get_if<Fault>(&result);
  return found == nullptr ? Fault{rule::TRANSLATION_RESULT, EventType::none} : *found;
}
u64 output(const Tables& t, const Stage2<u64>& s, u64 at, AccessKind access = read) {
  const Stage2Result<u64> result = walk_stage2(t, s, at, access, Stage2Input::transaction);
  const auto* found = std::get_if<Stage2Translation<u64>>(&result);
  return found == nullptr ? ~u64{0} : found->output;
}

TEST(Stage2Walk, PagesAndBlocks) {
  EXPECT_EQ(output(tables(), plain(), ipa + 0x678), 0x5678u);
  EXPECT_EQ(output(tables(), plain(), ipa + 0x678, write), 0x5678u);
  Tables t = tables();
  t.words[0x2008] = 0xabc0'0000 | (page_bits & ~u64{2});
  EXPECT_EQ(output(t, plain(), ipa + 0x678), 0xabc0'3678u);
  t.words[0x1008] = 0x1'4000'0000 | (page_bits & ~u64{2});
  EXPECT_EQ(output(t, plain(), ipa + 0x678), 0x1'4020'3678u);
}

/// S2SL0 0 starts at level 2, 2 at level 0.
TEST(Stage2Walk, LevelsOfTheStart) {
  Stage2<u64> s = plain();
  s.start = 2;
  s.t0sz = 34;
  s.ttb = 0x2000;
  EXPECT_EQ(output(tables(), s, 0x20'3678), 0x5678u);
  s.start = 0;
  s.t0sz = 20;
  s.ttb = 0x8000;
  Tables t = tables();
  t.words[0x8010] = 0x1003;
  EXPECT_EQ(output(t, s, (u64{2} << 39) | (ipa + 0x678)), 0x5678u);
}

/// T0SZ 24 with a start at level 1 takes two tables of 4 KiB, which are aligned to 8 KiB.
TEST(Stage2Walk, TablesOfTheStartLevelAreConcatenated) {
  Stage2<u64> s = plain();
  s.t0sz = 24;
  s.ttb = 0x6010;  // low bits count as 0
  Tables t{{{0x6000 + 8 * 512, 0x2003}, {0x2008, 0x3003}, {0x3018, 0x5000 | page_bits}}};
  EXPECT_EQ(output(t, s, (u64{1} << 39) | 0x20'3678), 0x5678u);
  EXPECT_EQ(fault(t, s, 0x20'3678).level, 1u);
  s.ttb = 0x7000;  // the same, aligned
  EXPECT_EQ(output(t, s, (u64{1} << 39) | 0x20'3678), 0x5678u);
}

TEST(Stage2Walk, FaultsInTheirOrder) {
  EXPECT_EQ(fault(tables(), plain(), u64{1} << 39).rule, rule::S2_IPA_RANGE);
  EXPECT_EQ(fault(tables(), plain(), u64{1} << 39).event, EventType::f_translation);
  EXPECT_EQ(fault(tables(), plain(), ipa + 0x1000).rule, rule::S2_DESCRIPTOR_VALID);
  EXPECT_EQ(fault(leaf(0x5000 | (page_bits & ~u64{2})), plain(), ipa).rule,
            rule::S2_DESCRIPTOR_VALID);
  Tables t = tables();
  t.words[0x2008] = 0xdead'0003;
  EXPECT_EQ(fault(t, plain(), ipa).event, EventType::f_walk_eabt);
  Stage2<u64> narrow = plain();
  narrow.ps_lg2 = 32;
  EXPECT_EQ(fault(leaf(u64{1} << 32 | page_bits), narrow, ipa).event, EventType::f_addr_size);
  t.words[0x2008] = u64{1} << 32 | 3;
  EXPECT_EQ(fault(t, narrow, ipa).rule, rule::S2_OUTPUT_SIZE);
  // Without the access flag nothing is said of rights.
  EXPECT_EQ(fault(leaf(0x5000 | 3), plain(), ipa).event, EventType::f_access);
  Stage2<u64> ignores = plain();
  ignores.affd = true;
  EXPECT_EQ(fault(leaf(0x5000 | 3), ignores, ipa).event, EventType::f_permission);
}

TEST(Stage2Walk, Rights) {
  for (u64 s2ap = 0; s2ap < 4; ++s2ap) {
    const Tables t = leaf(0x5000 | (page_bits & ~u64{0xc0}) | s2ap << 6);
    EXPECT_EQ(fault(t, plain(), ipa, read).event,
              (s2ap & 1) != 0 ? EventType::none : EventType::f_permission);
    EXPECT_EQ(fault(t, plain(), ipa, write).event,
              (s2ap & 2) != 0 ? EventType::none : EventType::f_permission);
    // It may be executed without being read.
    EXPECT_EQ(fault(t, plain(), ipa, {AccessType::execute, false}).event, EventType::none);
  }
  // XN: which of unprivileged and privileged may execute, with IDR3.XNX and without.
  constexpr bool with_xnx[4][2] = {{true, true}, {true, false}, {false, false}, {false, true}};
  constexpr bool without[4][2] = {{true, true}, {true, true}, {false, false}, {false, false}};
  for (const bool xnx : {false, true}) {
    Stage2<u64> s = plain();
    s.xnx = xnx;
    for (u64 xn = 0; xn < 4; ++xn) {
      for (const bool privileged : {false, true}) {
        const bool may = (xnx ? with_xnx : without)[xn][privileged ? 1 : 0];
        EXPECT_EQ(
            fault(leaf(0x5000 | page_bits | xn << 53), s, ipa, {AccessType::execute, privileged})
                .event,
            may ? EventType::none : EventType::f_permission)
            << xnx << xn << privileged;
      }
    }
  }
}

/// What hardware fetches is a data read, and with S2PTW = 1 not from Device memory.
TEST(Stage2Walk, FetchesOfHardware) {
  const Tables unreadable = leaf(0x5000 | (page_bits & ~u64{0x40}));
  const Tables device = leaf(0x5000 | (page_bits & ~u64{0x3c}));
  Stage2<u64> s = plain();
  for (const Stage2Input input : {Stage2Input::cd, Stage2Input::stage1_descriptor}) {
    s.ptw = false;
    EXPECT_EQ(fault(unreadable, s, ipa, write, input).rule, rule::S2_PERMISSION);
    EXPECT_EQ(fault(device, s, ipa, write, input).event, EventType::none);
    s.ptw = true;
    EXPECT_EQ(fault(device, s, ipa, read, input).rule, rule::S2_PTW);
  }
  EXPECT_EQ(fault(unreadable, s, ipa, write).event, EventType::none);
  EXPECT_EQ(fault(device, s, ipa, write).event, EventType::none);
  // With FWB it is MemAttr[2] that says Device.
  s.fwb = true;
  EXPECT_EQ(fault(leaf(0x5000 | (page_bits & ~u64{0x20})), s, ipa, read, Stage2Input::cd).event,
            EventType::none);
  EXPECT_EQ(fault(leaf(0x5000 | (page_bits & ~u64{0x10})), s, ipa, read, Stage2Input::cd).rule,
            rule::S2_PTW);
}

/// With S2HA hardware sets AF, and with S2HD a write makes a clean page dirty.
TEST(Stage2Walk, HardwareUpdates) {
  const Tables flagless = leaf(0x5000 | (page_bits & ~u64{0x400}));
  const Tables clean = leaf(0x5000 | (page_bits & ~u64{0x80}) | u64{1} << 51);
  Stage2<u64> s = plain();
  s.ha = true;
  EXPECT_EQ(output(flagless, s, ipa), 0x5000u);
  EXPECT_EQ(fault(clean, s, ipa, write).event, EventType::f_permission);
  s.hd = true;
  EXPECT_EQ(output(clean, s, ipa, write), 0x5000u);
  s.ha = false;
  EXPECT_EQ(fault(clean, s, ipa, write).event, EventType::f_permission);
}

}  // namespace
}  // namespace iommucheck::spec::arch_stage2_test
