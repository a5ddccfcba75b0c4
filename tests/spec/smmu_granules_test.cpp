// SPDX-License-Identifier: MIT
// Tables of 16 and 64 KiB in the engine: tables that fill several pages, pages that are tables of
// several granules at once, what TLBIs with TG remove, outputs of 52 bits.
#include <gtest/gtest.h>

#include <algorithm>

#include "smmu_caches_support.h"
#include "smmu_fixture.h"
#include "spec/rules/promises.h"
#include "spec/smmu/pieces.h"
#include "spec/smmu/view.h"

namespace iommucheck::spec::smmu_granules_test {
namespace {

constexpr u64 tables = 0x400000;

struct GranuleMachine : SmallMachine {
  static Capabilities caps(unsigned oas_lg2 = 48) {
    Capabilities c = full_capabilities();
    c.s2p = c.gran16k = c.gran64k = c.ril = true;
    c.oas_lg2 = oas_lg2;
    return c;
  }
  explicit GranuleMachine(unsigned oas_lg2 = 48) : SmallMachine(caps(oas_lg2)) {
    for (u64 pa = tables; pa < tables + 0x100000; pa += 4096) caches.memory().assume_zero(pa);
    for (u32 sid = 1; sid < 3; ++sid) {
      ste(sid, make_stage1_ste({.s1contextptr = cds + 0x1000 * u64{sid}}));
    }
  }
  /// The CD of a stream.
  void cd_of(u32 sid, unsigned asid, Granule granule, unsigned t0sz, u64 ttb, unsigned ips = 5) {
    Cd<u64> its = make_cd({.ttb0 = ttb, .asid = asid, .t0sz = t0sz});
    const u64 tg = granule == Granule::g4k ? 0 : granule == Granule::g64k ? 1 : 2;
    its.dw[0] = with_bits(with_bits(its.dw[0], 7, 6, tg), 34, 32, ips);
    put_structure(cds + 0x1000 * u64{sid}, its);
  }
  static Command tlbi(u64 va, unsigned tg, bool leaf = true, unsigned asid = 5) {
    Command command = cmd_tlbi_nh_va(0, static_cast<u16>(asid), va, leaf);
    command.tg = tg;
    command.ttl = tg == 0 ? 0 : 3;
    command.num = 1;
    return command;
  }
  bool broke(Rule rule) {
    const auto& all = caches.violations();
    return std::ranges::any_of(all, [&](const Violation& v) { return v.rule == rule; });
  }
};

/// An entry in the third of the four pages of a table of 16 KiB, and in the last of sixteen.
TEST(Granules, ATableFillsSeveralPages) {
  struct Case {
    Granule granule;
    unsigned t0sz, tg;
    u64 index;
  };
  for (const Case& one : {Case{Granule::g16k, 28, 2, 1100}, Case{Granule::g64k, 25, 3, 8191}}) {
    const unsigned shift = page_shift(one.granule);
    const u64 va = one.index << shift;
    const u64 word = tables + 0x10000 + 8 * one.index;
    const Access inside{.sid = 1, .va = va + pow2(shift) - 0x1000};
    for (const unsigned tg : {1U, 2U, 3U}) {
      GranuleMachine m;
      m.put(tables, (tables + 0x10000) | 3);
      m.put(word, SmallMachine::page | SmallMachine::rw_leaf);
      m.cd_of(1, 5, one.granule, one.t0sz, tables);
      m.enable();
      EXPECT_EQ(m.outcomes(inside).at(0).pa, SmallMachine::page + pow2(shift) - 0x1000);
      EXPECT_TRUE(is_walkable_table(m.caches.view(), align_down(word, 12)));
      EXPECT_FALSE(is_walkable_table(m.caches.view(), tables + 0x10000 + pow2(shift)));
      m.store(word, 0);
      EXPECT_EQ(m.outcomes(inside).size(), 2U);
      m.run(GranuleMachine::tlbi(va, tg));
      EXPECT_EQ(m.outcomes(inside).size(), tg == one.tg ? 1U : 2U) << tg;
      EXPECT_EQ(m.caches.consistent(), "");
      m.store(tables, 0);
      m.caches.recycle(align_down(word, 12), true);
      EXPECT_TRUE(m.broke(rule::TABLE_FREE)) << "the table descriptor is cached";
      m.caches.violations().clear();
      m.run(GranuleMachine::tlbi(va, 0, false));
      EXPECT_EQ(m.caches.consistent(), "");
      m.caches.recycle(tables + 0x10000, true);
      EXPECT_FALSE(m.broke(rule::TABLE_FREE));
    }
  }
}

/// Of a page that one CD has as a table of 4 KiB and another as part of one of 64 KiB, a word is a
/// leaf of both, and each is removed by its own TLBI.
TEST(Granules, APageIsATableOfSeveral) {
  GranuleMachine m;
  const u64 leaves = tables + 0x10000;
  m.put(tables, leaves | 3);                      // 64 KiB: level 2
  m.put(tables + 0x8000, (tables + 0x9000) | 3);  // 4 KiB: level 1
  m.put(tables + 0x9000, (leaves + 0x2000) | 3);
  const u64 word = leaves + 0x2000 + 8 * 5;  // entry 1029 of the one, 5 of the other
  m.put(word, SmallMachine::page | SmallMachine::rw_leaf);
  m.cd_of(1, 5, Granule::g64k, 25, tables);
  m.cd_of(2, 6, Granule::g4k, 25, tables + 0x8000);
  m.enable();
  const Access by_64k{.sid = 1, .va = u64{1029} << 16};
  const Access by_4k{.sid = 2, .va = u64{5} << 12};
  EXPECT_EQ(m.text(by_64k), "0");
  EXPECT_EQ(m.text(by_4k), "0");
  m.store(word, 0);
  m.run(GranuleMachine::tlbi(by_64k.va, 3));
  EXPECT_EQ(m.text(by_64k), "F_TRANSLATION");
  EXPECT_EQ(m.text(by_4k), "0 F_TRANSLATION");
  m.run(GranuleMachine::tlbi(by_4k.va, 1, true, 6));
  EXPECT_EQ(m.text(by_4k), "F_TRANSLATION");
  EXPECT_EQ(m.caches.consistent(), "");
}

/// A cached table descriptor is of the granule by which it was read.
TEST(Granules, AnotherGranuleDoesNotWalkByWhatIsCached) {
  GranuleMachine m;
  m.put(tables, (tables + 0x10000) | 3);
  m.put(tables + 0x10000, SmallMachine::page | SmallMachine::rw_leaf);
  m.cd_of(1, 5, Granule::g64k, 25, tables);
  m.enable();
  m.store(tables, 0);
  const u64 cd = SmallMachine::cds + 0x1000;
  const u64 word = m.caches.memory().newest(cd).value;
  m.store(cd, with_bits(word, 7, 6, 2));  // 16 KiB: 39 bits begin at level 1
  Command cfgi = cmd_cfgi_cd(1, 0, true);
  m.run(cfgi);
  EXPECT_EQ(m.text({.sid = 1, .va = 0}), "0 F_TRANSLATION") << "the page of 64 KiB is cached";
  m.store(tables + 0x10000 + 8, (SmallMachine::page + 0x10000) | SmallMachine::rw_leaf);
  EXPECT_EQ(m.text({.sid = 1, .va = 0x10000}), "F_TRANSLATION") << "and its table is not walked";
}

/// 64 KiB with outputs of 52 bits: address bits 51:48 are the word's bits 15:12, and level 1 has
/// blocks. DDI 0487 D8.3.
TEST(Granules, OutputsOf52Bits) {
  GranuleMachine m(52);
  const u64 high = u64{3} << 48;
  m.put(tables, (tables + 0x10000) | 3);  // level 1
  m.put(tables + 8, (SmallMachine::rw_leaf & ~u64{2}) | u64{1} << 42 | u64{3} << 12);
  m.put(tables + 0x10000, (tables + 0x20000) | 3);
  m.put(tables + 0x20000, (SmallMachine::page | SmallMachine::rw_leaf) | u64{3} << 12);
  m.cd_of(1, 5, Granule::g64k, 16, tables, 6);
  m.enable();
  EXPECT_EQ(m.outcomes({.sid = 1, .va = 0x1000}).at(0).pa, high | (SmallMachine::page + 0x1000));
  const Access block{.sid = 1, .va = (u64{1} << 42) + 0x123000};
  EXPECT_EQ(m.outcomes(block).at(0).pa, high | ((u64{1} << 42) + 0x123000));
  m.store(tables + 8, 0);
  EXPECT_EQ(m.outcomes(block).size(), 2U);
  m.run(GranuleMachine::tlbi(block.va, 0));
  EXPECT_EQ(m.text(block), "F_TRANSLATION");
  // With 48 bits level 1 has no block.
  GranuleMachine narrow;
  narrow.put(tables + 8, (SmallMachine::rw_leaf & ~u64{2}) | u64{1} << 42);
  narrow.cd_of(1, 5, Granule::g64k, 16, tables);
  narrow.enable();
  EXPECT_EQ(narrow.text(block), "F_TRANSLATION");
}

/// The pieces of a space, with tables of several pages, say what collect() does.
TEST(Granules, PiecesGoOnInTheNextPageOfATable) {
  for (const Granule granule : {Granule::g16k, Granule::g64k}) {
    GranuleMachine m;
    const unsigned shift = page_shift(granule);
    const u64 leaves = tables + 0x10000;
    m.put(tables, leaves | 3);
    m.put(tables + 16, leaves | 3);
    const u64 used[] = {3, 4, 511, 512, 513, 1024, 1800, 2047};
    for (const u64 i : used) {
      m.put(leaves + 8 * i, (SmallMachine::page + (i << shift)) | SmallMachine::rw_leaf);
    }
    for (u64 i = 0; i < pow2(contiguous_lg2(granule, 3)); ++i) {
      m.put(leaves + 8 * (640 + i), (SmallMachine::page + (i << shift)) | SmallMachine::rw_leaf |
                                        descriptor_bits::contiguous);
    }
    m.cd_of(1, 5, granule, granule == Granule::g16k ? 28 : 25, tables);
    m.enable();
    std::vector<StreamOption> options;
    ASSERT_TRUE(m.caches.fetches().stream_options(1, 0, false, options));
    const u32 tag = options.front().tag;
    std::vector<Candidate> found;
    std::vector<Candidate> exact;
    Pieces pieces(m.caches.lookups(), tag, found);
    unsigned count = 0;
    for (u64 va = 0;; va = pieces.last() + 1, ++count) {
      ASSERT_LT(count, 200U);
      pieces.move_to(va, ~u64{0});
      for (const u64 probe : {va, pieces.last(), va + (pieces.last() - va) / 2}) {
        exact.clear();
        m.caches.lookups().collect(tag, probe, exact);
        const auto output = [&](const std::vector<Candidate>& all) {
          std::optional<u64> pa;
          for (const Candidate& c : all) {
            if (c.kind == Candidate::Kind::leaf) pa = c.leaf.output + (probe - c.va);
          }
          return pa;
        };
        ASSERT_EQ(output(pieces.found()), output(exact)) << std::hex << probe << " from " << va;
      }
      if (pieces.last() == ~u64{0}) break;
    }
    EXPECT_GT(count, 10U);
  }
}

}  // namespace
}  // namespace iommucheck::spec::smmu_granules_test
