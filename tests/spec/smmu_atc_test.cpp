// SPDX-License-Identifier: MIT
// What litmus tests do not reach of ATCs: top-byte-ignore, the Global flag, profiles, ATSCHK, the
// numbers by which a judge asks for an ATC, undoing, and reasons. IHI 0070 3.9.1, 4.5.1.
#include <gtest/gtest.h>

#include "smmu_caches_support.h"
#include "smmu_fixture.h"
#include "spec/smmu/causes.h"
#include "spec/smmu/visits.h"

namespace iommucheck::spec::smmu_atc_test {
namespace {

using Machine = SmallMachine;

constexpr Access by_ats(u64 va, AccessType type = AccessType::read) {
  return {.sid = 1, .type = type, .va = va, .route = Route::translated};
}

struct AtsMachine : Machine {
  explicit AtsMachine(const Capabilities& caps = full_capabilities(), const Profile& profile = {},
                      const Cd<u64>& cd0 = plain_cd())
      : Machine(caps, profile) {
    ste(1, make_stage1_ste({.s1contextptr = cds, .s1cdmax = 2, .s1dss = 2, .eats = 1}));
    cd(0, cd0);
    cd(1, cd0);
    cd(2, cd0);
    caches.track_changes(true);
    enable();
    caches.set_ats(1, true);
  }
  /// Page 0 is unmapped, and every TLB forgets it.
  void unmap() {
    store(leaves + 8, 0);
    run(cmd_tlbi_nh_va(0, 5, 0x1000));
  }
  Access pasid(u32 number) const {
    return {.sid = 1, .ssid = number, .ssv = true, .va = 0x1000, .route = Route::translated};
  }
  u32 tag_of(u32 ssid, bool ssv) const {
    u32 found = 0;
    atcs_of(caches.view(), 1, [&](u32 tag, const AtcOwner& owner) {
      if (owner.ssid == ssid && (owner.ssv != 0) == ssv) found = tag;
    });
    return found;
  }
};

TEST(Atc, EitherRouteIsAllThatTheDeviceMayDo) {
  AtsMachine m;
  const Access either{.sid = 1, .va = 0x1000};
  Access untranslated = either;
  untranslated.route = Route::untranslated;
  EXPECT_EQ(m.text(either), "0");
  m.unmap();
  EXPECT_EQ(m.text(untranslated), "F_TRANSLATION");
  EXPECT_EQ(m.text(by_ats(0x1000)), "0 denied");
  EXPECT_EQ(m.text(either), "0 F_TRANSLATION");
  m.run(Machine::atc_inv(1, 0x1000, 0));
  EXPECT_EQ(m.text(either), "F_TRANSLATION");
  EXPECT_EQ(m.text(by_ats(0x1000)), "denied");
}

TEST(Atc, TopByteIgnoredEachAliasIsAnEntry) {
  Cd<u64> cd = Machine::plain_cd();
  cd.dw[0] |= u64{1} << 38;  // TBI0
  AtsMachine m(full_capabilities(), {}, cd);
  m.unmap();
  const u64 alias = u64{0x5a} << 56;
  EXPECT_EQ(m.text(by_ats(0x1000)), "0 denied");
  EXPECT_EQ(m.text(by_ats(alias | 0x1000)), "0 denied");
  m.run(Machine::atc_inv(1, 0x1000, 0));
  EXPECT_EQ(m.text(by_ats(0x1000)), "denied");
  EXPECT_EQ(m.text(by_ats(alias | 0x1000)), "0 denied");
  m.run(Machine::atc_inv(1, alias | 0x1000, 0));
  EXPECT_EQ(m.text(by_ats(alias | 0x1000)), "denied");
  EXPECT_EQ(m.text(by_ats((u64{0x59} << 56) | 0x1000)), "0 denied");
  // Whoever asks for the ATC as a whole sees that some alias lives.
  std::vector<Candidate> found;
  m.caches.lookups().collect(m.tag_of(0, false), 0x1000, found);
  EXPECT_FALSE(found.empty());
  m.run(Machine::atc_inv(1, u64{0x40} << 56, 50));  // top bytes 0x40 to 0x7f
  EXPECT_EQ(m.text(by_ats((u64{0x59} << 56) | 0x1000)), "denied");
  EXPECT_EQ(m.text(by_ats((u64{0x80} << 56) | 0x1000)), "0 denied");
  m.run(Machine::atc_inv(1, 0, 52));
  EXPECT_EQ(m.text(by_ats((u64{0x80} << 56) | 0x1000)), "denied");
}

TEST(Atc, GlobalFlagIsForEveryPasid) {
  AtsMachine m;
  m.unmap();
  Command global = Machine::atc_inv(1, 1, 0x1000, 0);
  global.global = true;
  EXPECT_EQ(m.text(m.pasid(1)), "0 denied");
  m.run(global);
  EXPECT_EQ(m.text(m.pasid(1)), "denied");
  EXPECT_EQ(m.text(m.pasid(2)), "denied");
  EXPECT_EQ(m.text(by_ats(0x1000)), "0 denied");  // SSV = 1 never means entries without a PASID
}

TEST(Atc, WhatSsv0MeansForPasidsIsTheProfiles) {
  for (const bool covers : {true, false}) {
    AtsMachine m(full_capabilities(), {.untagged_covers_pasids = covers});
    m.unmap();
    m.run(Machine::atc_inv(1, 0, 52));
    EXPECT_EQ(m.text(by_ats(0x1000)), "denied");
    EXPECT_EQ(m.text(m.pasid(1)), covers ? "denied" : "0 denied");
  }
}

TEST(Atc, AtschkAsksTheSte) {
  AtsMachine m;
  m.unmap();
  m.caches.set_atschk(true);
  EXPECT_EQ(m.text(by_ats(0x1000)), "0 denied");
  const Ste<u64> off = make_stage1_ste({.s1contextptr = Machine::cds, .s1cdmax = 2, .s1dss = 2});
  m.store(Machine::strtab + 64 + 8, off.dw[1]);
  EXPECT_EQ(m.text(by_ats(0x1000)), "0 F_TRANSL_FORBIDDEN denied");
  m.run(cmd_cfgi_ste(1));
  EXPECT_EQ(m.text(by_ats(0x1000)), "F_TRANSL_FORBIDDEN denied");
  m.store(Machine::strtab + 64, make_abort_ste().dw[0]);
  m.run(cmd_cfgi_ste(1));
  EXPECT_EQ(m.text(by_ats(0x1000)), "abort denied");
  m.caches.set_atschk(false);
  EXPECT_EQ(m.text(by_ats(0x1000)), "0 abort denied") << "it may be cached with the STE";
  m.run(cmd_cfgi_ste(1));
  EXPECT_EQ(m.text(by_ats(0x1000)), "0 denied");
}

/// A judge hears of every change, and reads the ATC in pieces that are constant.
TEST(Atc, ChangesAndPieces) {
  AtsMachine m;
  m.store(Machine::leaves + 8, 0);
  m.store(Machine::leaves + 16, 0);
  m.caches.dirty().clear();
  m.run(cmd_tlbi_nh_asid(0, 5));
  const u32 tag = m.tag_of(1, true);
  ASSERT_TRUE(is_atc_tag(tag));
  const auto touched = [&](u64 va) {
    for (const DirtyInterval& d : m.caches.dirty()) {
      if (d.tag == tag && d.first <= va && va <= d.last) return true;
    }
    return false;
  };
  EXPECT_TRUE(touched(0x1000) && touched(0x2fff));
  u32 streams = 0;
  streams_of(m.caches.view(), tag,
             [&](u32 sid, u32 ssid) { streams += sid == 1 && ssid == 1 ? 1 : 10; });
  EXPECT_EQ(streams, 1U);

  std::vector<Candidate> found;
  m.caches.lookups().collect(tag, 0, found);
  EXPECT_TRUE(found.empty());
  EXPECT_EQ(m.caches.lookups().constant_until(tag, 0, found), 0xfffU);
  m.caches.lookups().collect(tag, 0x2000, found);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found[0].from_atc());
  EXPECT_EQ(found[0].leaf.output, Machine::page + 0x1000);
  EXPECT_EQ(m.caches.lookups().constant_until(tag, 0x2000, found), 0x2fffU);

  m.caches.dirty().clear();
  m.run(Machine::atc_inv(1, 0x2000, 0));
  EXPECT_TRUE(touched(0x2000));
  EXPECT_FALSE(touched(0x1fff));
  found.clear();
  m.caches.lookups().collect(tag, 0x2000, found);
  EXPECT_TRUE(found.empty());
  EXPECT_EQ(m.caches.lookups().constant_until(tag, 0x2000, found), ~u64{0});
}

TEST(Atc, EverythingIsUndone) {
  AtsMachine m;
  const auto mark = m.caches.trail().mark();
  const std::string before = m.text(by_ats(0x1000));
  m.unmap();
  const auto middle = m.caches.trail().mark();
  m.run(Machine::atc_inv(1, 0, 52));
  m.caches.set_ats(1, false);
  EXPECT_EQ(m.caches.atc_items_alive(), 0U);
  m.caches.trail().undo_to(middle);
  EXPECT_EQ(m.text(by_ats(0x1000)), "0 denied");
  EXPECT_NE(m.caches.atc_items_alive(), 0U);
  m.caches.trail().undo_to(mark);
  EXPECT_EQ(m.text(by_ats(0x1000)), before);
  EXPECT_EQ(m.caches.atc_items_alive(), 0U);
  EXPECT_TRUE(m.caches.has_ats(1));
}

/// Entries whose outputs follow each other are one item, and an ATC_INV cuts it.
TEST(Atc, RunsAreCut) {
  AtsMachine m;
  for (u64 i = 1; i < 512; ++i) {
    m.put(Machine::leaves + 8 * i, (Machine::page + i * 0x1000) | Machine::rw_leaf);
  }
  m.caches.set_ats(1, false);
  m.caches.set_ats(1, true);
  m.store(Machine::cds, 0);  // V = 0: CD 0 goes
  m.run(cmd_cfgi_cd(1, 0));
  EXPECT_LE(m.caches.atc_items_alive(), 2U);
  m.run(Machine::atc_inv(1, 0x100000, 8));  // 1 MiB
  EXPECT_EQ(m.text(by_ats(0xff000)), "255 denied");
  EXPECT_EQ(m.text(by_ats(0x100000)), "denied");
  EXPECT_EQ(m.text(by_ats(0x1ff000)), "denied");
  m.run(Machine::atc_inv(1, 0x4000, 0));
  EXPECT_EQ(m.text(by_ats(0x3000)), "3 denied");
  EXPECT_EQ(m.text(by_ats(0x4000)), "denied");
  EXPECT_EQ(m.text(by_ats(0x5000)), "5 denied");
}

/// 511 pages whose leaves go one by one, each behind a barrier of its own: entries that no run
/// holds together. Each is found by its address, and a command ends those of its range only.
TEST(Atc, ManyEntriesAreFoundByAddress) {
  Cd<u64> cd = make_cd({.ttb0 = Machine::root, .asid = 5, .t0sz = 25, .ha = true, .hd = true});
  AtsMachine m(full_capabilities(), {}, cd);
  constexpr u64 clean = Machine::rw_leaf | u64{1} << 51 | u64{1} << 7;
  const auto leaf = [](u64 i) { return Machine::leaves + 8 * i; };
  for (u64 i = 1; i < 512; ++i) m.put(leaf(i), (Machine::page + i * 0x1000) | clean);
  m.caches.set_ats(1, false);
  m.caches.set_ats(1, true);
  const auto mark = m.caches.trail().mark();
  for (u64 i = 1; i < 512; ++i) m.store(leaf(i), 0);
  m.run(cmd_tlbi_nh_asid(0, 5));
  EXPECT_GE(m.caches.atc_items_alive(), 511U);
  ASSERT_EQ(m.caches.consistent(), "");
  m.run(Machine::atc_inv(1, 0x100000, 6));  // 256 KiB
  ASSERT_EQ(m.caches.consistent(), "");
  for (const u64 page : {u64{1}, u64{0xff}, u64{0x140}, u64{0x1ff}}) {
    EXPECT_EQ(m.text(by_ats(page << 12)), std::to_string(page) + " denied");
  }
  EXPECT_EQ(m.text(by_ats(0x100000)), "denied");
  EXPECT_EQ(m.text(by_ats(0x13f000)), "denied");
  m.run(Machine::atc_inv(1, 0, 52));
  EXPECT_EQ(m.caches.atc_items_alive(), 0U);
  ASSERT_EQ(m.caches.consistent(), "");
  m.caches.trail().undo_to(mark);
  EXPECT_EQ(m.text(by_ats(0x100000)), "256");
  ASSERT_EQ(m.caches.consistent(), "");
}

TEST(Atc, TheReasonNamesTheNearestMiss) {
  const auto reason = [](const Command& command) {
    AtsMachine m;
    m.unmap();
    m.run(command);
    for (const Outcome& o : m.outcomes(m.pasid(1))) {
      if (o.kind == OutcomeKind::translation) return explained(m.caches.view(), o);
    }
    return std::string("gone");
  };
  EXPECT_EQ(reason(Machine::atc_inv(1, 1, 0x1000, 0)), "gone");
  const std::string pasid = reason(Machine::atc_inv(1, 2, 0x1000, 0));
  EXPECT_NE(pasid.find("ATC entry of stream 0x1, PASID 0x1 for 0x1000"), std::string::npos)
      << pasid;
  EXPECT_NE(pasid.find("covers PASID 2; the entry has PASID 1"), std::string::npos) << pasid;
  EXPECT_NE(reason(Machine::atc_inv(3, 0x1000, 0)).find("StreamID 3 only"), std::string::npos);
  EXPECT_NE(reason(Machine::atc_inv(1, 0x2000, 1)).find("covers other addresses"),
            std::string::npos);
  EXPECT_NE(reason(Machine::atc_inv(1, 0, 53)).find("Size is above 52"), std::string::npos);
  EXPECT_NE(reason(cmd_tlbi_nsnh_all()).find("no ATC_INV was issued"), std::string::npos);
}

TEST(Atc, TheReasonSaysThatItCameTooEarly) {
  AtsMachine m;
  m.store(Machine::leaves + 8, 0);
  m.run(Machine::atc_inv(1, 0x1000, 0));
  m.run(cmd_tlbi_nh_va(0, 5, 0x1000));
  for (const Outcome& o : m.outcomes(by_ats(0x1000))) {
    if (o.kind != OutcomeKind::translation) continue;
    EXPECT_NE(explained(m.caches.view(), o).find("is not behind the CMD_SYNC"), std::string::npos)
        << explained(m.caches.view(), o);
  }
}

TEST(Atc, WithoutTheFeatureNothingIsAnswered) {
  Capabilities caps = full_capabilities();
  caps.ats = false;
  AtsMachine m(caps);
  m.unmap();
  EXPECT_EQ(m.text(by_ats(0x1000)), "denied");
  EXPECT_EQ(m.text(by_ats(0x2000)), "denied");
  EXPECT_EQ(m.caches.atc_items_alive(), 0U);
}

}  // namespace
}  // namespace iommucheck::spec::smmu_atc_test
