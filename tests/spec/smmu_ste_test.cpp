// SPDX-License-Identifier: MIT
// Layout by bit number (arch 2.2) and each row of arch 2.3 with its negative.
#include "spec/smmu/ste.h"

#include <gtest/gtest.h>
#include "spec/rules/structures.h"
#include "spec/smmu/ste_legal.h"
#include "tests/spec/random_words.h"
#include "tests/spec/smmu_fixture.h"

namespace iommucheck::spec::smmu_ste_test {
namespace {

using S = Ste<u64>;

S stage1() { return make_stage1_ste({.s1contextptr = 0x8000'0040}); }

/// 4 KiB, T0SZ 25, SL0 1 (level 1), PS 48 bits, AA64.
S stage2() {
  S s;
  s.dw[0] = 1 | (6 << 1);
  s.dw[2] = 7 | (u64{25} << 32) | (u64{1} << 38) | (u64{5} << 48) | (u64{1} << 51);
  s.dw[3] = 0x4000'0000;
  return s;
}

S nested() {
  S s = stage2();
  s.dw[0] |= 1 << 1;
  return s;
}

SteKind kind(const S& s, const Capabilities& c = full_capabilities()) {
  return decode_ste(s, c).kind;
}

testing::AssertionResult bad(const S& s, const Capabilities& c, Rule rule) {
  const SteDecision d = decode_ste(s, c);
  if (d.kind == SteKind::bad && d.rule == rule) return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << "kind " << static_cast<int>(d.kind) << ", rule " << rule_name(d.rule);
}

TEST(Ste, LayoutByBitNumber) {
  S s;
  s.dw[0] = 0xf800'0000'0000'0000 | 0x0008'1234'5678'9ac0 | 0x2b;
  EXPECT_EQ(s.s1cdmax(), 31u);
  EXPECT_EQ(s.s1contextptr(), 0x0008'1234'5678'9ac0u);
  EXPECT_EQ(s.s1fmt(), 2u);
  EXPECT_EQ(s.config(), 5u);
  EXPECT_TRUE(s.v());
  const auto dw1 = [](unsigned n) { return S{{0, u64{1} << n}}; };
  EXPECT_EQ(dw1(0).s1dss(), 1u);
  EXPECT_EQ(dw1(2).s1cir(), 1u);
  EXPECT_EQ(dw1(4).s1cor(), 1u);
  EXPECT_EQ(dw1(6).s1csh(), 1u);
  EXPECT_EQ(dw1(13).cont(), 1u);
  EXPECT_TRUE(dw1(19).mev());
  EXPECT_TRUE(dw1(27).s1stalld());
  EXPECT_EQ(dw1(28).eats(), 1u);
  EXPECT_EQ(dw1(30).strw(), 1u);
  EXPECT_EQ(dw1(32).memattr(), 1u);
  EXPECT_TRUE(dw1(36).mtcfg());
  EXPECT_EQ(dw1(37).alloccfg(), 1u);
  EXPECT_EQ(dw1(44).shcfg(), 1u);
  EXPECT_EQ(dw1(48).privcfg(), 1u);
  EXPECT_EQ(dw1(50).instcfg(), 1u);
  const auto dw2 = [](unsigned n) { return S{{0, 0, u64{1} << n}}; };
  EXPECT_EQ(dw2(0).s2vmid(), 1u);
  EXPECT_EQ(dw2(32).s2t0sz(), 1u);
  EXPECT_EQ(dw2(38).s2sl0(), 1u);
  EXPECT_EQ(dw2(46).s2tg(), 1u);
  EXPECT_EQ(dw2(48).s2ps(), 1u);
  EXPECT_TRUE(dw2(51).s2aa64());
  EXPECT_TRUE(dw2(52).s2endi());
  EXPECT_TRUE(dw2(55).s2hd());
  EXPECT_TRUE(dw2(56).s2ha());
  EXPECT_TRUE(dw2(57).s2s());
  EXPECT_TRUE(dw2(58).s2r());
  EXPECT_EQ((S{{0, 0, 0, ~u64{0}}}).s2ttb(), 0x000f'ffff'ffff'fff0u);
}

TEST(Ste, KindsByConfig) {
  EXPECT_EQ(kind(make_abort_ste()), SteKind::abort);
  for (u64 config = 0; config < 4; ++config) {
    EXPECT_EQ(kind(S{{1 | (config << 1)}}), SteKind::abort) << "0xx";
  }
  EXPECT_EQ(kind(make_bypass_ste()), SteKind::bypass);
  EXPECT_EQ(kind(stage1()), SteKind::stage1);
  EXPECT_EQ(kind(stage2()), SteKind::stage2);
  EXPECT_EQ(kind(nested()), SteKind::nested);
  EXPECT_TRUE(bad(S{}, full_capabilities(), rule::STE_VALID));
}

TEST(Ste, StagesHaveToExist) {
  Capabilities c = full_capabilities();
  c.s1p = false;
  EXPECT_TRUE(bad(stage1(), c, rule::STE_CONFIG_STAGE1));
  EXPECT_EQ(kind(stage2(), c), SteKind::stage2);
  c = full_capabilities();
  c.s2p = false;
  EXPECT_TRUE(bad(stage2(), c, rule::STE_CONFIG_STAGE2));
  EXPECT_EQ(kind(stage1(), c), SteKind::stage1);
}

TEST(Ste, Strw) {
  Capabilities c = full_capabilities();
  S s = stage1();
  s.dw[1] |= u64{1} << 30;
  EXPECT_TRUE(bad(s, c, rule::STE_STRW));
  s.dw[1] ^= u64{3} << 30;  // 2
  EXPECT_EQ(kind(s, c), SteKind::stage1);
  EXPECT_EQ(stream_world(s, c, false), StreamWorld::el2);
  EXPECT_EQ(stream_world(s, c, true), StreamWorld::el2_e2h);
  EXPECT_FALSE(vmid_used(s, c));
  c.hyp = false;
  s.dw[1] |= u64{3} << 30;
  EXPECT_EQ(kind(s, c), SteKind::stage1) << "ignored without Hyp";
  EXPECT_EQ(stream_world(s, c, false), StreamWorld::el1);
}

TEST(Ste, StallsAndSubstreams) {
  Capabilities c = full_capabilities();
  S s = stage1();
  s.dw[1] |= u64{1} << 27;
  EXPECT_EQ(kind(s, c), SteKind::stage1);
  c.stall_model = StallModel::never;
  EXPECT_TRUE(bad(s, c, rule::STE_S1STALLD));

  c = full_capabilities();
  EXPECT_EQ(kind(make_stage1_ste({.s1cdmax = 10}), c), SteKind::stage1);
  EXPECT_TRUE(bad(make_stage1_ste({.s1cdmax = 11}), c, rule::STE_S1CDMAX));
  c.ssidsize = 0;
  EXPECT_EQ(kind(make_stage1_ste({.s1cdmax = 11}), c), SteKind::stage1) << "ignored";
  c = full_capabilities();
  c.cd2l = false;
  EXPECT_TRUE(bad(make_stage1_ste({.s1cdmax = 4, .s1fmt = 1}), c, rule::STE_S1FMT));
  EXPECT_EQ(kind(make_stage1_ste({.s1cdmax = 4, .s1fmt = 3}), c), SteKind::stage1) << "acts as 0";
  EXPECT_EQ(kind(make_stage1_ste({.s1cdmax = 0, .s1fmt = 1}), c), SteKind::stage1) << "ignored";
}

TEST(Ste, ContextPointerWithinTheOutputSize) {
  Capabilities c = full_capabilities();
  c.oas_lg2 = 40;
  EXPECT_EQ(kind(make_stage1_ste({.s1contextptr = 0xff'ffff'ffc0}), c), SteKind::stage1);
  EXPECT_TRUE(bad(make_stage1_ste({.s1contextptr = 0x100'0000'0000}), c, rule::STE_S1CONTEXTPTR));
}

TEST(Ste, Eats) {
  const Capabilities c = full_capabilities();
  EXPECT_EQ(kind(make_stage1_ste({.eats = 1}), c), SteKind::stage1);
  EXPECT_TRUE(bad(make_stage1_ste({.eats = 2}), c, rule::STE_EATS)) << "split-stage needs nesting";
  S s = nested();
  s.dw[1] |= u64{2} << 28;
  EXPECT_EQ(kind(s, c), SteKind::nested);
  Capabilities only_one = c;
  only_one.ns1ats = true;
  EXPECT_TRUE(bad(s, only_one, rule::STE_EATS)) << "no split-stage ATS";
  s.dw[2] |= u64{1} << 57;  // S2S
  EXPECT_TRUE(bad(s, c, rule::STE_EATS));
  s.dw[1] ^= u64{3} << 28;  // EATS = 1
  EXPECT_TRUE(bad(s, c, rule::STE_EATS)) << "full ATS over a stage 2 that stalls";
  Capabilities without = c;
  without.ats = false;
  EXPECT_EQ(kind(make_stage1_ste({.eats = 2}), without), SteKind::stage1) << "ignored";
}

TEST(Ste, Vmid) {
  Capabilities c = full_capabilities();
  c.vmid16 = false;
  EXPECT_EQ(kind(make_stage1_ste({.s2vmid = 0xff}), c), SteKind::stage1);
  EXPECT_TRUE(bad(make_stage1_ste({.s2vmid = 0x100}), c, rule::STE_S2VMID));
  c.s2p = false;
  EXPECT_EQ(kind(make_stage1_ste({.s2vmid = 0x100}), c), SteKind::stage1) << "ignored without S2P";
}

struct Stage2Row {
  unsigned hi, lo;
  u64 value;
  Rule rule;
};

TEST(Ste, Stage2RowsOfDoublewordTwo) {
  const Stage2Row rows[] = {
      {51, 51, 0, rule::STE_S2AA64},   // AArch32 tables do not exist
      {47, 46, 3, rule::STE_S2TG},     // reserved
      {37, 32, 15, rule::STE_S2T0SZ},  // 49 bits
      {37, 32, 49, rule::STE_S2T0SZ},
      {39, 38, 2, rule::STE_S2SL0},   // level 0 with 39 bits resolves nothing
      {37, 32, 20, rule::STE_S2SL0},  // level 1 with 44 bits: 14 bits, more than 13
  };
  for (const Stage2Row& row : rows) {
    S s = stage2();
    s.dw[2] = with_bits(s.dw[2], row.hi, row.lo, row.value);
    EXPECT_TRUE(bad(s, full_capabilities(), row.rule)) << row.lo << " = " << row.value;
  }
  S s = stage2();
  s.dw[2] = with_bits(s.dw[2], 37, 32, 21);  // 43 bits: 13 bits at level 1, 16 tables
  EXPECT_EQ(kind(s), SteKind::stage2);
}

/// S2FWB counts where IDR3.FWB = 1 alone. IHI 0070 5.2.2.
TEST(Ste, Aarch32Stage2AndForcedWriteBack) {
  Capabilities c = full_capabilities();
  c.aarch32 = true;
  S s = stage2();
  s.dw[2] &= ~(u64{1} << 51);  // S2AA64
  s.dw[1] |= u64{1} << 25;     // S2FWB
  c.fwb = true;
  EXPECT_TRUE(bad(s, c, rule::STE_S2AA64));
  c.fwb = false;
  EXPECT_EQ(kind(s, c), SteKind::stage2);
}

TEST(Ste, Stage2Updates) {
  Capabilities c = full_capabilities();
  S s = stage2();
  s.dw[2] |= u64{1} << 55 | u64{1} << 56;
  EXPECT_EQ(kind(s, c), SteKind::stage2);
  c.httu = 1;
  EXPECT_TRUE(bad(s, c, rule::STE_S2HD));
  c.httu = 0;
  EXPECT_TRUE(bad(s, c, rule::STE_S2HTTU));
  c = full_capabilities();
  c.stall_model = StallModel::always;
  EXPECT_TRUE(bad(stage2(), c, rule::STE_S2S));
  c = full_capabilities();
  c.ttendian = 3;
  EXPECT_TRUE(bad(stage2(), c, rule::STE_S2ENDI));
}

TEST(Ste, Stage2TableWithinItsSize) {
  S s = stage2();
  s.dw[2] = with_bits(s.dw[2], 50, 48, 1);  // 36 bits
  s.dw[3] = 0xf'ffff'f000;
  EXPECT_EQ(kind(s), SteKind::stage2);
  s.dw[3] = 0x10'0000'0000;
  EXPECT_TRUE(bad(s, full_capabilities(), rule::STE_S2TTB));
}

TEST(Ste, Stage2StartLevels) {
  const Granule g4k = Granule::g4k, g64k = Granule::g64k;
  EXPECT_EQ(stage2_start_level(g4k, u64{0}, false), 2u);
  EXPECT_EQ(stage2_start_level(g4k, u64{2}, false), 0u);
  EXPECT_EQ(stage2_start_level(g4k, u64{3}, false), 4u);
  EXPECT_EQ(stage2_start_level(g4k, u64{3}, true), 3u);
  EXPECT_EQ(stage2_start_level(g64k, u64{0}, false), 3u);
  EXPECT_EQ(stage2_start_level(g64k, u64{2}, false), 1u);
}

TEST(SteUsed, ByKind) {
  EXPECT_EQ(ste_used_mask(0, S{}), 1u);
  EXPECT_EQ(ste_used_mask(1, S{}), 0u);
  EXPECT_EQ(ste_used_mask(1, make_abort_ste()), 0u);
  EXPECT_EQ(ste_used_mask(3, stage1()), 0u) << "S2TTB is ignored";
  EXPECT_NE(ste_used_mask(2, stage1()) & 0xffff, 0u) << "S2VMID counts with stage 1 alone";
  EXPECT_EQ(ste_used_mask(1, stage1()) & 3, 0u) << "S1DSS without substreams";
  EXPECT_EQ(ste_used_mask(1, make_stage1_ste({.s1cdmax = 1})) & 3, 3u);
  EXPECT_EQ(ste_used_mask(0, stage1()) & 0x30, 0u) << "S1Fmt without substreams";
  EXPECT_EQ(ste_used_mask(0, make_stage1_ste({.s1cdmax = 1})) & 0x30, 0x30u);
  EXPECT_EQ(ste_used_mask(1, stage1()) & mask(23, 20), 0u) << "SW_RESERVED";
  EXPECT_NE(ste_used_mask(3, nested()), 0u);
  const u64 shcfg = mask(45, 44);
  EXPECT_EQ(ste_used_mask(1, make_bypass_ste()) & shcfg, shcfg);
  EXPECT_EQ(ste_used_mask(1, stage1()) & shcfg, 0u) << "the leaf says it, IHI 0070 13.5";
  EXPECT_EQ(ste_used_mask(1, make_stage1_ste({.s1cdmax = 1, .s1dss = 1})) & shcfg, shcfg);
  EXPECT_EQ(ste_used_mask(1, make_bypass_ste()) & (mask(12, 12) | mask(17, 17)), 0u) << "DRE, DCP";
  EXPECT_EQ(ste_used_mask(1, stage1()) & mask(12, 12), mask(12, 12));
}

/// What an access can tell of a STE, as far as stage 1 goes.
bool same_behaviour(const S& a, const S& b, const Capabilities& c) {
  if (decode_ste(a, c) != decode_ste(b, c)) return false;
  const SteKind k = kind(a, c);
  if (k == SteKind::bad || k == SteKind::abort) return true;
  if (a.privcfg() != b.privcfg() || a.instcfg() != b.instcfg() || a.mev().value != b.mev().value) {
    return false;
  }
  if (k != SteKind::stage1) return true;
  return stream_world(a, c, true) == stream_world(b, c, true) && a.s2vmid() == b.s2vmid() &&
         a.s1contextptr() == b.s1contextptr() && a.s1cdmax() == b.s1cdmax() &&
         a.s1stalld().value == b.s1stalld().value && a.eats() == b.eats() &&
         (!substreams_used(a, c) || (a.s1dss() == b.s1dss() && a.s1fmt() == b.s1fmt()));
}

RC_GTEST_PROP(SteUsed, UnusedBitsChangeNothing, ()) {
  S s = *rc::gen::element(stage1(), make_stage1_ste({.s1cdmax = 4, .s1fmt = 2}), stage2(), nested(),
                          make_bypass_ste(), make_abort_ste(), S{});
  for (u64& w : s.dw) w ^= few_bits();
  S other = s;
  for (unsigned i = 0; i < ste_words; ++i) {
    other.dw[i] ^= any_word() & ~ste_used_mask(i, s);
  }
  RC_ASSERT(used_part(s) == used_part(other));
  RC_ASSERT(same_behaviour(s, other, full_capabilities()));
  RC_ASSERT(same_behaviour(s, used_part(s), full_capabilities()));
}

}  // namespace
}  // namespace iommucheck::spec::smmu_ste_test
