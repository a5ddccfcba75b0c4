// SPDX-License-Identifier: MIT
// The rows of arch 5.3, the text of 5.2 and SEMANTICS 3, each with the entry that just escapes.
#include "spec/smmu/coverage.h"

#include <gtest/gtest.h>

namespace iommucheck::spec::smmu_coverage_test {
namespace {

TlbTarget page(u64 va, u64 asid = 5) {
  TlbTarget t;
  t.asid = asid;
  t.base = va;
  return t;
}
TlbTarget block(u64 va) {
  TlbTarget t = page(va);
  t.extent_lg2 = 21;
  t.level = 2;
  return t;
}
/// A pointer in a table of `level`, that is to one of level + 1.
TlbTarget pointer(u64 va, unsigned level) {
  TlbTarget t = page(va);
  t.is_table = true;
  t.level = level;
  t.extent_lg2 = level_shift(Granule::g4k, level);
  return t;
}
Command range(u64 va, unsigned num, unsigned scale, unsigned ttl, bool leaf = true,
              unsigned tg = 1) {
  Command c = cmd_tlbi_nh_va(0, 5, va, leaf);
  c.num = num;
  c.scale = scale;
  c.ttl = ttl;
  c.tg = tg;
  return c;
}

TEST(Coverage, OneAddressRemovesTheEntryThatContainsIt) {
  EXPECT_TRUE(covers(cmd_tlbi_nh_va(0, 5, 0x1000), page(0x1000), 0));
  EXPECT_FALSE(covers(cmd_tlbi_nh_va(0, 5, 0x2000), page(0x1000), 0));
  EXPECT_TRUE(covers(cmd_tlbi_nh_va(0, 5, 0x21'3000), block(0x20'0000), 0));
  EXPECT_FALSE(covers(cmd_tlbi_nh_va(0, 5, 0x1f'f000), block(0x20'0000), 0));
  EXPECT_FALSE(covers(cmd_tlbi_nh_va(0, 5, 0x40'0000), block(0x20'0000), 0));
}

TEST(Coverage, TagsOfEl1Commands) {
  TlbTarget t = page(0x1000);
  EXPECT_FALSE(covers(cmd_tlbi_nh_va(0, 6, 0x1000), t, 0)) << "another ASID";
  EXPECT_FALSE(covers(cmd_tlbi_nh_va(1, 5, 0x1000), t, 0)) << "another VMID";
  EXPECT_TRUE(covers(cmd_tlbi_nh_vaa(0, 0x1000), t, 0));
  EXPECT_TRUE(covers(cmd_tlbi_nh_asid(0, 5), t, 0));
  EXPECT_FALSE(covers(cmd_tlbi_nh_asid(0, 6), t, 0));
  EXPECT_TRUE(covers(cmd_tlbi_nh_all(0), t, 0));
  EXPECT_TRUE(covers(cmd_tlbi_nsnh_all(), t, 0));
  t.global = true;
  EXPECT_TRUE(covers(cmd_tlbi_nh_va(0, 6, 0x1000), t, 0)) << "global: whatever the ASID";
  EXPECT_FALSE(covers(cmd_tlbi_nh_va(1, 6, 0x1000), t, 0)) << "but not whatever the VMID";
  EXPECT_FALSE(covers(cmd_tlbi_nh_asid(0, 5), t, 0)) << "ASID leaves the global ones";
  EXPECT_TRUE(covers(cmd_tlbi_nh_all(0), t, 0));
}

TEST(Coverage, VmwWidensTheVmid) {
  TlbTarget t = page(0x1000);
  t.vmid = 0x21;
  EXPECT_TRUE(covers(cmd_tlbi_nh_all(0x20), t, 1));
  EXPECT_FALSE(covers(cmd_tlbi_nh_all(0x20), t, 0));
  EXPECT_FALSE(covers(cmd_tlbi_nh_all(0x22), t, 1));
  EXPECT_TRUE(covers(cmd_tlbi_nh_all(0x2f), t, 4));
}

TEST(Coverage, El2Worlds) {
  TlbTarget t = page(0x1000);
  t.world = StreamWorld::el2;
  EXPECT_TRUE(covers(cmd_tlbi_el2_all(), t, 0));
  EXPECT_FALSE(covers(cmd_tlbi_nsnh_all(), t, 0));
  EXPECT_FALSE(covers(cmd_tlbi_nh_all(0), t, 0));
  Command va = cmd_tlbi_nh_va(0, 6, 0x1000);
  va.op = Opcode::tlbi_el2_va;
  EXPECT_TRUE(covers(va, t, TlbiScope{0, false})) << "the ASID is ignored";
  EXPECT_FALSE(covers(va, t, TlbiScope{0, true}));
  t.world = StreamWorld::el2_e2h;
  EXPECT_FALSE(covers(va, t, TlbiScope{0, true})) << "another ASID";
  va.asid = 5;
  EXPECT_TRUE(covers(va, t, TlbiScope{0, true}));
  EXPECT_FALSE(covers(va, t, TlbiScope{0, false}));
  for (const bool e2h : {false, true}) {
    EXPECT_TRUE(covers(cmd_tlbi_el2_all(), t, TlbiScope{0, e2h})) << "both worlds, whatever E2H is";
  }
  EXPECT_FALSE(covers(cmd_tlbi_el2_all(), page(0x1000), 0));
}

TEST(Coverage, StagesOfAnEntry) {
  TlbTarget t = page(0x1000);
  Command ipa = cmd_tlbi_nh_vaa(0, 0x1000);
  ipa.op = Opcode::tlbi_s2_ipa;
  Command s12 = cmd_tlbi_nh_all(0);
  s12.op = Opcode::tlbi_s12_vmall;
  t.stage = Stage::stage2;
  EXPECT_TRUE(covers(ipa, t, 0));
  EXPECT_FALSE(covers(cmd_tlbi_nh_all(0), t, 0));
  EXPECT_TRUE(covers(s12, t, 0));
  t.stage = Stage::combined;
  EXPECT_FALSE(covers(ipa, t, 0)) << "combined entries survive S2_IPA";
  EXPECT_TRUE(covers(cmd_tlbi_nh_all(0), t, 0));
  EXPECT_TRUE(covers(s12, t, 0));
  EXPECT_TRUE(covers(cmd_tlbi_nh_vaa(0, 0x1000), t, 0));
  t.stage = Stage::shadow;  // at 0x1000 of the intermediate addresses, and at VAs nobody knows
  EXPECT_FALSE(covers(ipa, t, 0));
  EXPECT_FALSE(covers(cmd_tlbi_nh_vaa(0, 0x1000), t, 0)) << "an IPA is no VA";
  EXPECT_TRUE(covers(cmd_tlbi_nh_all(0), t, 0));
  EXPECT_FALSE(covers(cmd_tlbi_nh_all(1), t, 0));
  EXPECT_TRUE(covers(s12, t, 0));
}

TEST(Coverage, RangeBounds) {
  // (3 + 1) * 2^1 = 8 pages from 0x10000: 0x10000 to 0x17fff.
  const Command c = range(0x1'0000, 3, 1, 3);
  EXPECT_TRUE(covers(c, page(0x1'0000), 0));
  EXPECT_TRUE(covers(c, page(0x1'7000), 0));
  EXPECT_FALSE(covers(c, page(0x1'8000), 0));
  EXPECT_FALSE(covers(c, page(0xf000), 0));
}

TEST(Coverage, RangeDoesNotWrapAtTheTop) {
  const Command c = range(0xffff'ffff'ffff'e000, 31, 0, 3);
  EXPECT_TRUE(covers(c, page(0xffff'ffff'ffff'f000), 0));
  EXPECT_FALSE(covers(c, page(0), 0));
}

TEST(Coverage, TtlAndTgNarrow) {
  EXPECT_FALSE(covers(range(0x20'0000, 0, 0, 3), block(0x20'0000), 0)) << "wrong level";
  EXPECT_TRUE(covers(range(0x20'0000, 0, 0, 2), block(0x20'0000), 0));
  EXPECT_TRUE(covers(range(0x20'0000, 1, 0, 0), block(0x20'0000), 0)) << "any level";
  EXPECT_FALSE(covers(range(0x20'0000, 0, 0, 3, true, 3), page(0x20'0000), 0)) << "64K";
  EXPECT_TRUE(covers(range(0x20'0000, 0, 0, 3), page(0x20'0000), 0));
}

TEST(Coverage, LeafAndPointers) {
  const u64 va = 0x4020'3000;
  EXPECT_FALSE(covers(cmd_tlbi_nh_va(0, 5, va, true), pointer(0x4000'0000, 1), 0));
  EXPECT_TRUE(covers(cmd_tlbi_nh_va(0, 5, va, false), pointer(0x4000'0000, 1), 0));
  EXPECT_TRUE(covers(cmd_tlbi_nh_va(0, 5, va, false), pointer(0x4020'0000, 2), 0));
  EXPECT_FALSE(covers(cmd_tlbi_nh_va(0, 5, va, false), pointer(0x4040'0000, 2), 0));
  // Leaf = 0, TTL = 2: level 2 leaves, pointers of levels 0 and 1, nothing else.
  const Command c = range(0x4020'0000, 0, 0, 2, false);
  EXPECT_TRUE(covers(c, block(0x4020'0000), 0));
  EXPECT_TRUE(covers(c, pointer(0x4000'0000, 1), 0));
  EXPECT_TRUE(covers(c, pointer(0, 0), 0));
  EXPECT_FALSE(covers(c, pointer(0x4020'0000, 2), 0));
  EXPECT_FALSE(covers(c, page(0x4020'0000), 0));
}

TEST(Coverage, MisalignedRangesProveNothing) {
  EXPECT_FALSE(covers(range(0x20'1000, 0, 0, 2), block(0x20'0000), 0)) << "4K TTL 2: [20:12]";
  EXPECT_FALSE(covers(range(0x20'1000, 31, 9, 2), block(0x40'0000), 0));
  Command c = range(0x1'1000, 0, 0, 3, true, 3);
  TlbTarget t = page(0x1'0000);
  t.granule = Granule::g64k;
  t.extent_lg2 = 16;
  EXPECT_FALSE(covers(c, t, 0)) << "64K: [15:12]";
  c.address = 0x1'0000;
  EXPECT_TRUE(covers(c, t, 0));
  EXPECT_TRUE(covers(cmd_tlbi_nh_va(0, 5, 0x1'3000), t, 0)) << "no TG: any address in it";
}

TEST(Coverage, PointersAreTaggedWithTheirAsid) {
  EXPECT_TRUE(covers(cmd_tlbi_nh_asid(0, 5), pointer(0, 1), 0));
  EXPECT_FALSE(covers(cmd_tlbi_nh_va(0, 6, 0, false), pointer(0, 1), 0));
}

TEST(ConfigCoverage, Ste) {
  const ConfigTarget ste{ConfigKind::ste, 5, 5}, l1std{ConfigKind::l1std, 0, 63},
      cd{ConfigKind::cd, 5, 5, 2, 2}, l1cd{ConfigKind::l1cd, 5, 5, 0, 63};
  for (const bool leaf : {false, true}) {
    EXPECT_TRUE(covers_config(cmd_cfgi_ste(5, leaf), ste));
    EXPECT_TRUE(covers_config(cmd_cfgi_ste(5, leaf), cd));
    EXPECT_TRUE(covers_config(cmd_cfgi_ste(5, leaf), l1cd));
    EXPECT_EQ(covers_config(cmd_cfgi_ste(5, leaf), l1std), !leaf);
  }
  EXPECT_FALSE(covers_config(cmd_cfgi_ste(6, false), ste));
  EXPECT_TRUE(covers_config(cmd_cfgi_ste(6, false), l1std)) << "any SID of the span";
}

TEST(ConfigCoverage, RangeIsAlignedAndAllIsAll) {
  const ConfigTarget ste{ConfigKind::ste, 5, 5};
  EXPECT_TRUE(covers_config(cmd_cfgi_ste_range(4, 0), ste)) << "4 and 5";
  EXPECT_TRUE(covers_config(cmd_cfgi_ste_range(5, 0), ste)) << "bit 0 is ignored";
  EXPECT_FALSE(covers_config(cmd_cfgi_ste_range(6, 0), ste));
  EXPECT_TRUE(covers_config(cmd_cfgi_ste_range(6, 1), ste));
  EXPECT_TRUE(covers_config(cmd_cfgi_all(), {ConfigKind::ste, 0xffff'ffff, 0xffff'ffff}));
  EXPECT_TRUE(covers_config(cmd_cfgi_all(), {ConfigKind::cd, 7, 7, 3, 3}));
}

TEST(ConfigCoverage, EveryStreamIsARangeAsWideAsStreamIdsFromTheFirstOn) {
  Capabilities caps;
  caps.sidsize = 8;
  EXPECT_TRUE(covers_every_stream(cmd_cfgi_all(), caps));
  EXPECT_TRUE(covers_every_stream(cmd_cfgi_ste_range(0x12, 7), caps));
  EXPECT_FALSE(covers_every_stream(cmd_cfgi_ste_range(0x12, 6), caps)) << "half of them";
  // Out of range: it may have no effect. IHI 0070 4.1.7.
  EXPECT_FALSE(covers_every_stream(cmd_cfgi_ste_range(0x100, 7), caps));
}

TEST(ConfigCoverage, Cd) {
  const ConfigTarget cd{ConfigKind::cd, 5, 5, 2, 2}, l1cd{ConfigKind::l1cd, 5, 5, 0, 63},
      ste{ConfigKind::ste, 5, 5};
  EXPECT_TRUE(covers_config(cmd_cfgi_cd(5, 2), cd));
  EXPECT_FALSE(covers_config(cmd_cfgi_cd(5, 3), cd));
  EXPECT_FALSE(covers_config(cmd_cfgi_cd(6, 2), cd));
  EXPECT_FALSE(covers_config(cmd_cfgi_cd(5, 2, true), l1cd));
  EXPECT_TRUE(covers_config(cmd_cfgi_cd(5, 2, false), l1cd));
  EXPECT_FALSE(covers_config(cmd_cfgi_cd(5, 2, false), ste));
  EXPECT_TRUE(covers_config(cmd_cfgi_cd_all(5), cd));
  EXPECT_TRUE(covers_config(cmd_cfgi_cd_all(5), l1cd));
  EXPECT_FALSE(covers_config(cmd_cfgi_cd_all(5), ste));
  EXPECT_FALSE(covers_config(cmd_tlbi_nsnh_all(), ste)) << "TLBI never touches configuration";
  EXPECT_FALSE(covers(cmd_cfgi_all(), page(0), 0)) << "nor CFGI translations";
}

TEST(AtcCoverage, Pasids) {
  Command c;
  c.op = Opcode::atc_inv;
  c.sid = 1;
  c.address = 0x1000;
  const AtcTarget plain{1, false, 0, 0x1000}, tagged{1, true, 7, 0x1000};
  EXPECT_TRUE(covers_atc(c, plain));
  EXPECT_TRUE(covers_atc(c, tagged));
  EXPECT_FALSE(covers_atc(c, tagged, false));
  c.ssv = true;
  c.ssid = 7;
  EXPECT_TRUE(covers_atc(c, tagged));
  EXPECT_FALSE(covers_atc(c, plain));
  c.ssid = 8;
  EXPECT_FALSE(covers_atc(c, tagged));
  c.ssid = 7;
  c.address = 0x3000;
  EXPECT_FALSE(covers_atc(c, tagged));
  c.size = 2;  // 16 KiB from 0
  EXPECT_TRUE(covers_atc(c, tagged));
  c.size = 52;
  EXPECT_TRUE(covers_atc(c, {1, true, 7, 0xffff'ffff'ffff'f000}));
}

TEST(Coverage, NearestMissIsSaid) {
  EXPECT_EQ(why_not_covered(cmd_tlbi_nh_va(0, 2, 0x1000), page(0x1000, 3), {}),
            "this VA, but ASID 2; the entry has ASID 3");
  EXPECT_EQ(why_not_covered(cmd_tlbi_nh_va(0, 3, 0x1000), page(0x1000, 3), {}), "");
  EXPECT_EQ(why_not_covered(cmd_tlbi_nh_va(0, 3, 0x2000), page(0x1000, 3), {}),
            "other addresses, 0x2000 to 0x2000; the entry is for 0x1000");
  EXPECT_EQ(why_not_covered(cmd_tlbi_nh_va(0, 5, 0, true), pointer(0, 1), {}),
            "leaves only; the entry is a table pointer");
  EXPECT_EQ(why_not_covered(range(0, 0, 0, 2), page(0), {}),
            "level 2 only; the entry is of level 3");
}

}  // namespace
}  // namespace iommucheck::spec::smmu_coverage_test
