// SPDX-License-Identifier: MIT
// Layout by bit number (arch 3.3), each row of arch 3.4 with its negative, the regime of a CD.
#include "spec/smmu/cd.h"

#include <gtest/gtest.h>
#include "spec/rules/structures.h"
#include "spec/smmu/cd_legal.h"
#include "tests/spec/random_words.h"
#include "tests/spec/smmu_fixture.h"

namespace iommucheck::spec::smmu_cd_test {
namespace {

using C = Cd<u64>;

Ste<u64> ste() { return make_stage1_ste({.s2vmid = 9}); }
C good() { return make_cd({.ttb0 = 0x8000'0000, .asid = 5, .t0sz = 25}); }

C with(C cd, unsigned word, unsigned hi, unsigned lo, u64 value) {
  cd.dw[word] = with_bits(cd.dw[word], hi, lo, value);
  return cd;
}

std::optional<Rule> why(const C& cd, const Capabilities& c = full_capabilities(),
                        const Ste<u64>& s = ste(), bool e2h = false) {
  return decode_cd(cd, s, c, e2h);
}

TEST(Cd, LayoutByBitNumber) {
  const auto dw0 = [](unsigned n) { return C{{u64{1} << n}}; };
  EXPECT_EQ(dw0(0).tsz(0), 1u);
  EXPECT_EQ(dw0(6).tg(0), 1u);
  EXPECT_EQ(dw0(8).ir(0), 1u);
  EXPECT_EQ(dw0(10).or_(0), 1u);
  EXPECT_EQ(dw0(12).sh(0), 1u);
  EXPECT_TRUE(dw0(14).epd(0));
  EXPECT_TRUE(dw0(15).endi());
  EXPECT_EQ(dw0(16).tsz(1), 1u);
  EXPECT_EQ(dw0(22).tg(1), 1u);
  EXPECT_TRUE(dw0(30).epd(1));
  EXPECT_TRUE(dw0(31).v());
  EXPECT_EQ(dw0(32).ips(), 1u);
  EXPECT_TRUE(dw0(35).affd());
  EXPECT_TRUE(dw0(36).wxn());
  EXPECT_TRUE(dw0(38).tbi(0));
  EXPECT_TRUE(dw0(39).tbi(1));
  EXPECT_TRUE(dw0(40).pan());
  EXPECT_TRUE(dw0(41).aa64());
  EXPECT_TRUE(dw0(42).hd());
  EXPECT_TRUE(dw0(43).ha());
  EXPECT_TRUE(dw0(44).s());
  EXPECT_TRUE(dw0(45).r());
  EXPECT_TRUE(dw0(46).a());
  EXPECT_TRUE(dw0(47).aset());
  EXPECT_EQ(dw0(48).asid(), 1u);
  EXPECT_TRUE((C{{0, 2}}).had(0));
  EXPECT_TRUE((C{{0, 4}}).e0pd(0));
  EXPECT_TRUE((C{{0, 0, 2}}).had(1));
  EXPECT_EQ((C{{0, ~u64{0}}}).ttb(0), 0x000f'ffff'ffff'fff0u);
  EXPECT_EQ((C{{0, 0, ~u64{0}}}).ttb(1), 0x000f'ffff'ffff'fff0u);
  EXPECT_EQ((C{{0, 0, 0, 0xff44}}).mair(), 0xff44u);
}

TEST(Cd, GoodOneIsLegal) { EXPECT_EQ(why(good()), std::nullopt); }

struct Row {
  unsigned word, hi, lo;
  u64 value;
  Rule rule;
};

TEST(Cd, IllegalRows) {
  const Row rows[] = {
      {0, 31, 31, 0, rule::CD_VALID}, {0, 41, 41, 0, rule::CD_AA64},
      {0, 5, 0, 15, rule::CD_TSZ},    {0, 5, 0, 49, rule::CD_TSZ},
      {0, 7, 6, 3, rule::CD_TG},      {1, 51, 4, (u64{1} << 48) >> 4, rule::CD_TTB},
      {0, 30, 30, 0, rule::CD_TG},  // EPD1 = 0: TG1 = 0 is reserved, for TTB0 accesses too
  };
  for (const Row& row : rows) {
    EXPECT_EQ(why(with(good(), row.word, row.hi, row.lo, row.value)), row.rule)
        << row.word << ":" << row.lo;
  }
}

TEST(Cd, EpdSuppressesTheChecksOfItsHalf) {
  C cd = with(good(), 0, 14, 14, 1);
  cd = with(cd, 0, 5, 0, 63);
  cd = with(cd, 0, 7, 6, 3);
  EXPECT_EQ(why(cd), std::nullopt);
  EXPECT_EQ(why(with(cd, 0, 14, 14, 0)), rule::CD_TG);
}

/// IHI 0070 5.4: HA and HD need IDR0.HTTU.
TEST(Cd, HardwareUpdatesDependOnHttu) {
  Capabilities c = full_capabilities();
  c.httu = 0;
  EXPECT_EQ(why(good(), c), std::nullopt);
  EXPECT_EQ(why(with(good(), 0, 43, 43, 1), c), rule::CD_HTTU);
  EXPECT_EQ(why(with(good(), 0, 42, 42, 1), c), rule::CD_HTTU);
  c.httu = 1;
  EXPECT_EQ(why(with(good(), 0, 43, 43, 1), c), std::nullopt);
  EXPECT_EQ(why(with(good(), 0, 43, 42, 3), c), rule::CD_HD);
}

/// IHI 0070 5.4.2: what AArch32 tables have not is not looked at.
TEST(Cd, Aarch32HasNoUpdatesNorGranules) {
  Capabilities c = full_capabilities();
  c.aarch32 = true;
  c.httu = 0;
  const C cd = with(good(), 0, 41, 41, 0);
  EXPECT_EQ(why(cd, c), std::nullopt);
  EXPECT_EQ(why(with(cd, 0, 43, 42, 3), c), std::nullopt) << "HA, HD";
  c.httu = 3;
  EXPECT_EQ(why(with(cd, 1, 3, 3, 1), c), std::nullopt) << "HAFT";
  EXPECT_EQ(why(with(good(), 1, 3, 3, 1), c), rule::CD_HAFT);
  EXPECT_EQ(why(with(cd, 0, 7, 6, 3), c), std::nullopt) << "TG0";
  EXPECT_EQ(why(with(cd, 0, 5, 0, 7), c), std::nullopt) << "T0SZ has three bits";
  c.asid16 = false;
  EXPECT_EQ(why(with(cd, 0, 63, 48, 0x100), c), rule::CD_ASID);
}

TEST(Cd, SizesDependOnSttAndVax) {
  Capabilities c = full_capabilities();
  EXPECT_EQ(why(with(good(), 0, 5, 0, 48), c), std::nullopt);
  c.stt = false;
  EXPECT_EQ(why(with(good(), 0, 5, 0, 40), c), rule::CD_TSZ);
  EXPECT_EQ(why(with(good(), 0, 5, 0, 39), c), std::nullopt);
  const C large = with(with(good(), 0, 7, 6, 1), 0, 5, 0, 12);  // 64 KiB, 52 bits
  EXPECT_EQ(why(large, c), rule::CD_TSZ);
  c.vax = 1;
  EXPECT_EQ(why(large, c), std::nullopt);
}

TEST(Cd, TtbWithinTheEffectiveIps) {
  const C cd = with(good(), 0, 34, 32, 0);  // 32 bits
  EXPECT_EQ(why(cd), std::nullopt);
  EXPECT_EQ(why(with(cd, 1, 51, 4, 0x1'0000'0000 >> 4)), rule::CD_TTB);
  Capabilities c = full_capabilities();
  c.oas_lg2 = 36;
  EXPECT_EQ(why(with(good(), 1, 51, 4, 0x10'0000'0000 >> 4), c), rule::CD_TTB) << "min(IPS, OAS)";
}

TEST(Cd, TtbOf52BitsIsFor64KiBOnly) {
  Capabilities c = full_capabilities();
  c.oas_lg2 = 52;
  const C wide = with(with(good(), 0, 34, 32, 6), 1, 51, 4, (u64{1} << 51) >> 4);
  EXPECT_EQ(why(wide, c), rule::CD_TTB) << "4 KiB";
  EXPECT_EQ(why(with(wide, 0, 7, 6, 2), c), rule::CD_TTB) << "16 KiB";
  EXPECT_EQ(why(with(wide, 0, 7, 6, 1), c), std::nullopt) << "64 KiB";
  C upper = with(with(good(), 0, 34, 32, 6), 0, 30, 30, 0);  // EPD1 = 0
  upper = with(with(upper, 0, 21, 16, 25), 2, 51, 4, (u64{1} << 51) >> 4);
  EXPECT_EQ(why(with(upper, 0, 23, 22, 2), c), rule::CD_TTB) << "4 KiB";
  EXPECT_EQ(why(with(upper, 0, 23, 22, 3), c), std::nullopt) << "64 KiB";
  EXPECT_EQ(regime_of(ste(), with(upper, 0, 23, 22, 3), c).half[1].ttb, u64{1} << 51);
}

TEST(Cd, StallsAndTermination) {
  Capabilities c = full_capabilities();
  const C stalls = with(good(), 0, 44, 44, 1);
  EXPECT_EQ(why(stalls), std::nullopt);
  Ste<u64> s = ste();
  s.dw[1] |= u64{1} << 27;
  EXPECT_EQ(why(stalls, c, s), rule::CD_S_STALLD);
  c.stall_model = StallModel::never;
  EXPECT_EQ(why(stalls, c), rule::CD_S_MODEL);
  EXPECT_EQ(why(good(), c), std::nullopt);
  c.stall_model = StallModel::always;
  EXPECT_EQ(why(good(), c), rule::CD_S_MODEL);
  c = full_capabilities();
  c.term_model = true;
  EXPECT_EQ(why(with(good(), 0, 46, 46, 0), c), rule::CD_A);
}

TEST(Cd, UpdatesAsidAndEndianness) {
  Capabilities c = full_capabilities();
  const C updates = make_cd({.ha = true, .hd = true});
  EXPECT_EQ(why(updates, c), std::nullopt);
  c.httu = 1;
  EXPECT_EQ(why(updates, c), rule::CD_HD);
  c.httu = 0;
  EXPECT_EQ(why(updates, c), rule::CD_HTTU);
  c = full_capabilities();
  c.asid16 = false;
  EXPECT_EQ(why(make_cd({.asid = 0x100}), c), rule::CD_ASID);
  EXPECT_EQ(why(make_cd({.asid = 0xff}), c), std::nullopt);
  c.ttendian = 2;
  C big = with(good(), 0, 15, 15, 1);
  EXPECT_EQ(why(big, c), rule::CD_ENDI);
  EXPECT_EQ(why(with(big, 0, 14, 14, 1), c), std::nullopt) << "both halves are disabled";
}

TEST(Cd, El2IgnoresEpdAsidAndTheUpperHalf) {
  Capabilities c = full_capabilities();
  c.asid16 = false;
  Ste<u64> s = make_stage1_ste({.strw = 2});
  C cd = with(make_cd({.ttb0 = 0x1000, .asid = 0x700, .t0sz = 25, .epd0 = true}), 0, 30, 30, 0);
  EXPECT_EQ(why(cd, c, s), std::nullopt);
  EXPECT_EQ(why(with(cd, 0, 5, 0, 0), c, s), rule::CD_TSZ) << "EPD0 suppresses nothing";
  EXPECT_EQ(why(cd, c, s, true), rule::CD_ASID) << "E2H has ASIDs";
  const Regime<u64> r = regime_of(s, cd, c);
  EXPECT_EQ(r.asid, 0u);
  EXPECT_EQ(r.vmid, 0u);
  EXPECT_FALSE(r.half[0].epd);
  EXPECT_EQ(r.half[0].ttb, 0x1000u);
}

TEST(Cd, RegimeHasEveryFieldThatTlbsCache) {
  const Capabilities c = full_capabilities();
  const Regime<u64> r = regime_of(ste(), good(), c);
  EXPECT_EQ(r.vmid, 9u);
  EXPECT_EQ(r.asid, 5u);
  EXPECT_TRUE(r.aset);
  EXPECT_EQ(r.half[0].tsz, 25u);
  EXPECT_EQ(r.half[0].ttb, 0x8000'0000u);
  EXPECT_TRUE(r.half[1].epd);
  EXPECT_EQ(r.ips_lg2, 48u);
  // Each of these changes the regime (arch 7.2); none of those below does.
  for (const C& changed :
       {with(good(), 1, 51, 12, 1), with(good(), 0, 5, 0, 26), with(good(), 0, 13, 12, 0),
        with(good(), 0, 14, 14, 1), with(good(), 0, 34, 32, 4), with(good(), 0, 35, 35, 1),
        with(good(), 0, 36, 36, 1), with(good(), 0, 38, 38, 1), with(good(), 0, 40, 40, 1),
        with(good(), 0, 43, 43, 1), with(good(), 0, 48, 48, 0), with(good(), 0, 47, 47, 0),
        with(good(), 1, 1, 1, 1), with(good(), 1, 2, 2, 1), with(good(), 3, 63, 63, 1)}) {
    EXPECT_NE(regime_of(ste(), changed, c), r);
  }
  const C updating = make_cd({.ttb0 = 0x8000'0000, .asid = 5, .t0sz = 25, .ha = true});
  EXPECT_EQ(regime_of(ste(), with(updating, 0, 35, 35, 1), c), regime_of(ste(), updating, c))
      << "AFFD does nothing where HA = 1";
  EXPECT_NE(regime_of(ste(), with(updating, 0, 42, 42, 1), c), regime_of(ste(), updating, c));
  for (const C& same :
       {with(good(), 0, 44, 44, 1), with(good(), 0, 45, 45, 0), with(good(), 0, 46, 46, 0),
        with(good(), 2, 51, 4, 7), with(good(), 0, 21, 16, 30), with(good(), 0, 42, 42, 1),
        with(good(), 0, 37, 37, 1), with(good(), 5, 31, 0, 1)}) {
    EXPECT_EQ(regime_of(ste(), same, c), r) << "A, R, S, the disabled half, HD alone, UWXN";
  }
}

TEST(Cd, Reaction) {
  const Capabilities c = full_capabilities();
  EXPECT_EQ(reaction_of(good(), c), (FaultReaction{false, true, true}));
  EXPECT_EQ(reaction_of(with(good(), 0, 45, 45, 0), c), (FaultReaction{false, false, true}));
  EXPECT_EQ(reaction_of(with(good(), 0, 46, 46, 0), c), (FaultReaction{false, true, false}));
  EXPECT_EQ(reaction_of(with(with(good(), 0, 44, 44, 1), 0, 45, 45, 0), c).record, true);
  EXPECT_TRUE(reaction_of(with(good(), 0, 44, 44, 1), c).stall);
}

/// IHI 0070 5.4, EPDx: T, TG, IR, OR and SH of a half that is not walked are ignored.
TEST(CdUsed, FieldsOfADisabledHalfAreUnused) {
  for (const bool epd0 : {false, true}) {
    for (const bool epd1 : {false, true}) {
      const C cd = with(with(make_cd({.ttb0 = 0x1000}), 0, 14, 14, epd0), 0, 30, 30, epd1);
      const u64 used = cd_used_mask(0, cd, StreamWorld::el1);
      EXPECT_EQ(used & mask(13, 0), epd0 ? 0 : mask(13, 0));
      EXPECT_EQ(used & mask(29, 16), epd1 ? 0 : mask(29, 16));
      EXPECT_EQ((used & mask(15, 15)) != 0, !epd0 || !epd1) << "ENDI";
    }
  }
}

RC_GTEST_PROP(CdUsed, UnusedBitsChangeNothing, ()) {
  const Capabilities c = full_capabilities();
  const unsigned strw = *rc::gen::element(0u, 2u);
  const bool e2h = *rc::gen::arbitrary<bool>();
  const Ste<u64> s = make_stage1_ste({.strw = strw});
  const StreamWorld world = stream_world(s, c, e2h);
  C cd = *rc::gen::element(good(), make_cd({.epd0 = true}), C{});
  for (u64& w : cd.dw) w ^= few_bits();
  C other = cd;
  for (unsigned i = 0; i < cd_words; ++i) {
    other.dw[i] ^= any_word() & ~cd_used_mask(i, cd, world);
  }
  RC_ASSERT(used_part(cd, world) == used_part(other, world));
  RC_ASSERT(decode_cd(cd, s, c, e2h) == decode_cd(other, s, c, e2h));
  if (!decode_cd(cd, s, c, e2h)) {
    RC_ASSERT(regime_of(s, cd, c, e2h) == regime_of(s, other, c, e2h));
    RC_ASSERT(reaction_of(cd, c) == reaction_of(other, c));
  }
}

}  // namespace
}  // namespace iommucheck::spec::smmu_cd_test
