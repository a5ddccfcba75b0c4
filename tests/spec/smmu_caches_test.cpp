// SPDX-License-Identifier: MIT
// The cache engine asked directly: what litmus tests cannot say (ID registers, how far an answer
// holds, where a cached entry came from).
#include <gtest/gtest.h>

#include "spec/rules/promises.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"
#include "spec/smmu/causes.h"
#include "spec/smmu/recordings.h"
#include "spec/smmu/view.h"
#include "tests/spec/smmu_caches_support.h"

namespace iommucheck::spec::smmu_caches_test {
namespace {

Capabilities device() {
  Capabilities caps;
  caps.minor = 3;
  caps.s1p = caps.s2p = caps.aarch64 = caps.asid16 = caps.vmid16 = caps.hyp = true;
  caps.cohacc = caps.gran4k = caps.ril = caps.attr_perms_ovr = true;
  caps.sidsize = 16;
  caps.ssidsize = 8;
  caps.oas_lg2 = 48;
  return caps;
}

Ste<u64> stage1(u32 cd, unsigned strw = 0) {
  return make_stage1_ste({.s1contextptr = SmallMachine::cds + 64 * u64{cd}, .strw = strw});
}

Command tlbi_va(u64 va) {
  Command command;
  command.op = Opcode::tlbi_nh_va;
  command.asid = 5;
  command.address = va;
  command.leaf = true;
  return command;
}

u32 tag_of(const SmallMachine& m, u32 sid) {
  std::vector<StreamOption> options;
  EXPECT_TRUE(m.caches.fetches().stream_options(sid, 0, false, options));
  EXPECT_EQ(options.size(), 1U);
  return options.empty() ? 0 : options[0].tag;
}

u64 constant_until(const SmallMachine& m, u32 tag, u64 va) {
  std::vector<Candidate> found;
  m.caches.lookups().collect(tag, va, found);
  return m.caches.lookups().constant_until(tag, va, found);
}

// ---- what is legal and not followed is never judged by wrong rules ----

TEST(CachesUnsupported, AArch32TablesWhereTheyAreOffered) {
  Capabilities caps = device();
  caps.aarch32 = true;
  SmallMachine m(caps);
  Cd<u64> cd = SmallMachine::plain_cd();
  cd.dw[0] &= ~mask(41, 41);
  m.ste(1, stage1(0));
  m.cd(0, cd);
  m.enable();
  EXPECT_NE(m.caches.unsupported().find("AArch32"), std::string::npos);
  EXPECT_EQ(m.text({.sid = 1, .va = 0x1000}), "any");
}

TEST(CachesUnsupported, AArch32TablesAreIllegalElsewhere) {
  SmallMachine m(device());
  Cd<u64> cd = SmallMachine::plain_cd();
  cd.dw[0] &= ~mask(41, 41);
  m.ste(1, stage1(0));
  m.cd(0, cd);
  m.enable();
  EXPECT_EQ(m.caches.unsupported(), "");
  EXPECT_EQ(m.text({.sid = 1, .va = 0x1000}), "C_BAD_CD");
}

TEST(CachesUnsupported, BigEndianTables) {
  SmallMachine m(device());
  Cd<u64> cd = SmallMachine::plain_cd();
  cd.dw[0] |= mask(15, 15);
  m.ste(1, stage1(0));
  m.cd(0, cd);
  m.enable();
  EXPECT_NE(m.caches.unsupported().find("big-endian"), std::string::npos);
  EXPECT_EQ(m.text({.sid = 1, .va = 0x1000}), "any");
}

TEST(CachesUnsupported, BroadcastsOfTwoOrAcrossASync) {
  const auto unsupported = [](const auto& steps) {
    SmallMachine m(device());
    m.enable();
    steps(m.caches);
    return m.caches.unsupported();
  };
  const Command tlbi = cmd_tlbi_nh_asid(0, 5);
  constexpr auto one = AgentId::cpu0;
  constexpr auto other = static_cast<AgentId>(1);
  EXPECT_EQ(unsupported([&](Caches& caches) {
              (void)caches.expose(tlbi, true);
              for (u32 i = 0; i < 31; ++i) {
                caches.broadcast(one, tlbi);
                caches.broadcast(one, tlbi);
                (void)caches.expose(tlbi, true);
                caches.complete_broadcasts(other);
                EXPECT_TRUE(caches.broadcasts_in_flight());
                caches.complete_broadcasts(one);
                EXPECT_FALSE(caches.broadcasts_in_flight());
              }
              caches.complete(caches.expose(cmd_sync(), true));
              for (u32 i = 0; i < 100; ++i) {
                caches.broadcast(other, tlbi);
                caches.complete_broadcasts(other);
              }
            }),
            "");
  const std::string beside =
      "broadcasts of two CPUs in flight, or beside a CMD_SYNC that completes before the DSB";
  EXPECT_EQ(unsupported([&](Caches& caches) {
              caches.broadcast(one, tlbi);
              caches.complete(caches.expose(cmd_sync(), true));
            }),
            beside);
  EXPECT_EQ(unsupported([&](Caches& caches) {
              caches.broadcast(one, tlbi);
              caches.broadcast(other, tlbi);
            }),
            beside);
  EXPECT_EQ(unsupported([&](Caches& caches) {
              (void)caches.expose(tlbi, true);
              for (u32 i = 0; i < 32; ++i) {
                caches.broadcast(one, tlbi);
                caches.complete_broadcasts(one);
              }
            }),
            "broadcasts of more than 31 DSBs beside commands in flight");
}

// ---- addresses ----

// IHI 0070 3.4: with stage 1 skipped the intermediate size counts, without any the output size.
TEST(CachesBypass, SizesOfAddresses) {
  Capabilities caps = device();
  caps.aarch32 = true;
  caps.oas_lg2 = 36;
  SmallMachine m(caps);
  Ste<u64> skips = make_stage1_ste({.s1contextptr = SmallMachine::cds, .s1cdmax = 2, .s1dss = 1});
  m.ste(1, skips);
  m.ste(2, make_bypass_ste());
  m.enable();
  const u64 between = u64{1} << 38;  // OAS is 36 bits, IAS 40
  const auto skipped = m.outcomes({.sid = 1, .va = between | 0x5000});
  ASSERT_EQ(skipped.size(), 1U);
  EXPECT_EQ(skipped[0].kind, OutcomeKind::bypass);
  EXPECT_EQ(skipped[0].pa, 0x5000U) << "cut to the output size";
  const std::pair<u32, u64> beyond[] = {{1, u64{1} << 40}, {2, u64{1} << 36}};
  for (const auto& [sid, va] : beyond) {
    EXPECT_EQ(m.text({.sid = sid, .va = va - 1}), "bypass");
    const auto found = m.outcomes({.sid = sid, .type = AccessType::write, .va = va});
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].event, EventType::f_addr_size);
    EXPECT_EQ(found[0].rule, sid == 1 ? rule::S1_BYPASS_SIZE : rule::STE_BYPASS_SIZE);
    EXPECT_EQ(found[0].seen.type, AccessType::write) << "what its record says";
  }
}

// ---- what an access looks like after the STE's overrides ----

TEST(CachesOverrides, TheRecordHasThePrivilegeAndKindThatWereChecked) {
  SmallMachine m(device());
  Ste<u64> ste = stage1(0);
  ste.dw[1] |= u64{3} << 48 | u64{3} << 50;  // privileged, instruction
  m.ste(1, ste);
  m.cd(0, SmallMachine::plain_cd());
  m.enable();
  const auto read = m.outcomes({.sid = 1, .va = 0x3000});
  ASSERT_EQ(read.size(), 1U);
  EXPECT_EQ(read[0].event, EventType::f_translation);
  EXPECT_EQ(read[0].seen, (AccessKind{AccessType::execute, true}));
  const auto write = m.outcomes({.sid = 1, .type = AccessType::write, .va = 0x3000});
  ASSERT_EQ(write.size(), 1U);
  EXPECT_EQ(write[0].seen, (AccessKind{AccessType::write, true})) << "a write is data";
}

TEST(CachesOverrides, NotWithoutTheFeature) {
  Capabilities caps = device();
  caps.attr_perms_ovr = false;
  SmallMachine m(caps);
  Ste<u64> ste = stage1(0);
  ste.dw[1] |= u64{3} << 48 | u64{3} << 50;
  m.ste(1, ste);
  m.cd(0, SmallMachine::plain_cd());
  m.enable();
  const auto read = m.outcomes({.sid = 1, .va = 0x3000});
  ASSERT_EQ(read.size(), 1U);
  EXPECT_EQ(read[0].seen, (AccessKind{AccessType::read, false}));
}

TEST(CachesOverrides, EveryCodeOfBothFields) {
  const Capabilities caps = device();
  const AccessKind user{AccessType::execute, false};
  constexpr bool privileged[] = {false, false, false, true};
  constexpr AccessType type[] = {AccessType::execute, AccessType::execute, AccessType::read,
                                 AccessType::execute};
  for (u64 code = 0; code < 4; ++code) {
    Ste<u64> ste;
    ste.dw[1] = code << 48;
    EXPECT_EQ(effective_access(user, overrides_of(ste, caps)).privileged, privileged[code]);
    ste.dw[1] = code << 50;
    EXPECT_EQ(effective_access(user, overrides_of(ste, caps)).type, type[code]);
    const AccessKind write{AccessType::write, true};
    EXPECT_EQ(effective_access(write, overrides_of(ste, caps)), write);
  }
}

// ---- how far an answer holds ----

TEST(CachesConstantUntil, StopsBeforeACachedEntry) {
  SmallMachine m(device());
  m.ste(1, stage1(0));
  m.cd(0, SmallMachine::plain_cd());
  m.put(SmallMachine::leaves + 8 * 0x20, (SmallMachine::page + 0x20000) | SmallMachine::rw_leaf);
  m.enable();
  m.store(SmallMachine::leaves + 8 * 0x20, 0);  // the entry for 0x20000 lives on
  EXPECT_EQ(constant_until(m, tag_of(m, 1), 0x3000), 0x1ffffU);
  EXPECT_EQ(constant_until(m, tag_of(m, 1), 0x20000), 0x20fffU);
}

TEST(CachesConstantUntil, FollowsTheGlobalsOfOtherAsids) {
  SmallMachine m(device());
  m.ste(1, stage1(0));
  m.cd(0, SmallMachine::plain_cd());
  m.ste(2, stage1(1));
  Cd<u64> other = SmallMachine::plain_cd(6);
  other.dw[1] = SmallMachine::root + 0x8000;  // an empty table
  m.cd(1, other);
  const u64 global = SmallMachine::rw_leaf & ~descriptor_bits::ng;
  m.put(SmallMachine::leaves + 8 * 0x20, (SmallMachine::page + 0x20000) | global);
  m.enable();
  const u32 empty = tag_of(m, 2);
  EXPECT_EQ(m.text({.sid = 2, .va = 0x20000}), "32 F_TRANSLATION")
      << "a global entry of the other ASID";
  EXPECT_EQ(constant_until(m, empty, 0x3000), 0x1ffffU);
  EXPECT_EQ(constant_until(m, empty, 0x20000), 0x20fffU);
  EXPECT_GE(constant_until(m, empty, 0x21000), 0x1fffffU) << "not in pages for ever";
}

/// IHI 0070 3.17.1: a global entry of one ASET is not met by look-ups of the other.
TEST(CachesGlobals, BelongToTheirAset) {
  for (const bool aset : {true, false}) {
    SmallMachine m(device());
    m.ste(1, stage1(0));
    m.cd(0, make_cd({.ttb0 = SmallMachine::root, .asid = 5, .t0sz = 25, .aset = true}));
    m.ste(2, stage1(1));
    m.cd(1, make_cd({.ttb0 = SmallMachine::root + 0x8000, .asid = 6, .t0sz = 25, .aset = aset}));
    const u64 global = SmallMachine::rw_leaf & ~descriptor_bits::ng;
    m.put(SmallMachine::leaves + 8 * 0x20, (SmallMachine::page + 0x20000) | global);
    m.enable();
    EXPECT_EQ(m.text({.sid = 2, .va = 0x20000}), aset ? "32 F_TRANSLATION" : "F_TRANSLATION");
  }
}

/// The same for what a device takes into its own cache.
TEST(CachesGlobals, AnAtcIsFilledFromItsAsetOnly) {
  for (const bool aset : {true, false}) {
    Capabilities caps = device();
    caps.ats = true;
    SmallMachine m(caps);
    m.ste(1, stage1(0));
    m.cd(0, make_cd({.ttb0 = SmallMachine::root, .asid = 5, .t0sz = 25, .aset = true}));
    m.ste(2, make_stage1_ste({.s1contextptr = SmallMachine::cds + 64, .eats = 1}));
    m.cd(1, make_cd({.ttb0 = SmallMachine::root + 0x8000, .asid = 6, .t0sz = 25, .aset = aset}));
    const u64 global = SmallMachine::rw_leaf & ~descriptor_bits::ng;
    const u64 place = SmallMachine::leaves + 8 * 0x20;
    m.put(place, (SmallMachine::page + 0x20000) | global);
    m.enable();
    m.caches.set_ats(2, true);
    m.store(place, 0);
    m.run(cmd_tlbi_nsnh_all());
    const Access translated{.sid = 2, .va = 0x20000, .route = Route::translated};
    EXPECT_EQ(m.text(translated), aset ? "32 denied" : "denied");
  }
}

// ---- words of structures ----

/// A store to a CD that is in use leaves mixtures of its words; one that is illegal is reported.
TEST(CachesStructures, AnIllegalMixtureOfACdIsTorn) {
  for (const bool legal : {true, false}) {
    SmallMachine m(device());
    m.ste(1, stage1(0));
    const Cd<u64> before = make_cd(
        {.ttb0 = legal ? SmallMachine::root : u64{1} << 40, .asid = 5, .t0sz = 25, .ips = 5});
    const Cd<u64> after =
        make_cd({.ttb0 = SmallMachine::root + 0x8000, .asid = 5, .t0sz = 25, .ips = 0});
    m.cd(0, before);
    m.enable();
    m.store(SmallMachine::cds + 8, after.dw[1]);
    m.store(SmallMachine::cds, after.dw[0]);
    const bool torn = std::ranges::any_of(m.caches.violations(), [](const Violation& violation) {
      return violation.rule == rule::TORN_CD;
    });
    EXPECT_EQ(torn, !legal);
  }
}

/// A cached CD is found by StreamID and SubstreamID alone, but no STE leads to one beyond S1CDMax.
TEST(CachesStructures, ACdBeyondS1CDMaxIsNotFetched) {
  constexpr u64 other = SmallMachine::cds + 0x1000, root = SmallMachine::root + 0x8000;
  for (const unsigned s1cdmax : {1U, 2U}) {
    SmallMachine m(device());
    const auto ste = [&](u64 cds, unsigned bits) {
      return make_stage1_ste({.s1contextptr = cds, .s1cdmax = bits, .s1dss = 2});
    };
    m.ste(1, ste(SmallMachine::cds, s1cdmax));
    m.cd(2, make_cd({.ttb0 = root, .asid = 7, .t0sz = 25}));
    m.put_structure(other + 2 * 64, SmallMachine::plain_cd());
    m.put(root, (root + 0x1000) | 3);
    m.put(root + 0x1000, (root + 0x2000) | 3);
    m.put(root + 0x2008, (SmallMachine::page + 0x5000) | SmallMachine::rw_leaf);
    m.enable();
    const Access access{.sid = 1, .ssid = 2, .ssv = true, .va = 0x1000};
    EXPECT_EQ(m.text(access), s1cdmax == 1 ? "C_BAD_SUBSTREAMID" : "5");
    m.store(SmallMachine::strtab + 64, ste(other, 2).dw[0]);
    EXPECT_EQ(m.text(access), s1cdmax == 1 ? "0 C_BAD_SUBSTREAMID" : "0 5");
  }
}

/// A CD is replaced, and what its TLB entries were filled with is not invalidated: what may be
/// cached in them need not be. IHI 0070 5.4.1.
TEST(CachesStructures, WhatATlbMayHaveOfACdItNeedNotHave) {
  constexpr u64 pan = mask(40, 40);
  const Access access{.sid = 1, .privileged = true, .va = 0x1000};
  for (const bool before : {false, true}) {
    SmallMachine m(device());
    const auto word = [&](bool never) {
      return SmallMachine::plain_cd().dw[0] | (never ? pan : 0);
    };
    m.ste(1, stage1(0));
    m.cd(0, SmallMachine::plain_cd());
    m.put(SmallMachine::cds, word(before));
    m.enable();
    EXPECT_EQ(m.text(access), before ? "F_PERMISSION" : "0");
    m.store(SmallMachine::leaves + 8, 0);
    m.store(SmallMachine::cds, word(!before));
    Command cfgi;
    cfgi.op = Opcode::cfgi_cd;
    cfgi.sid = 1;
    m.run(cfgi);
    EXPECT_EQ(m.text(access), "0 F_PERMISSION F_TRANSLATION") << "PAN was " << before;
    m.run(cmd_tlbi_nh_asid(0, 5));
    EXPECT_EQ(m.text(access), "F_TRANSLATION");
  }
}

/// A word that memory has again is cached like others, and nobody is told of it.
TEST(CachesStructures, AWordThatMemoryHasAgainIsNotStale) {
  SmallMachine m(device());
  m.ste(1, stage1(0));
  m.cd(0, SmallMachine::plain_cd());
  m.enable();
  const u64 word = SmallMachine::plain_cd().dw[1];
  m.store(SmallMachine::cds + 8, word + 0x8000);
  m.store(SmallMachine::cds + 8, word);
  std::vector<ConfigItem> stale;
  stale_configuration(m.caches.view(), 1, 0, stale);
  ASSERT_EQ(stale.size(), 1U);
  EXPECT_EQ(stale[0].value, word + 0x8000);
  const std::vector<Cause> causes = causes_of_stream(m.caches.view(), 1, 0);
  ASSERT_EQ(causes.size(), 1U);
  ASSERT_EQ(causes[0].words.size(), 1U);
  EXPECT_EQ(causes[0].words[0].value, word + 0x8000);
}

// In EL2 nG means nothing, and it is stored as 0 everywhere.
TEST(CachesConstantUntil, NoGlobalsInEl2) {
  SmallMachine m(device());
  m.ste(1, stage1(0, 2));
  m.cd(0, SmallMachine::plain_cd());
  const u64 no_ng = SmallMachine::rw_leaf & ~descriptor_bits::ng;
  m.put(SmallMachine::leaves + 8, SmallMachine::page | no_ng);
  m.put(SmallMachine::leaves + 16, (SmallMachine::page + 0x1000) | no_ng);
  m.enable();
  EXPECT_EQ(m.text({.sid = 1, .va = 0x1000}), "0");
  EXPECT_GE(constant_until(m, tag_of(m, 1), 0x3000), 0x1fffffU);
}

TEST(CachesConstantUntil, AContiguousGroupAnswersForItsEmptyEntries) {
  SmallMachine m(device());
  m.ste(1, stage1(0));
  m.cd(0, SmallMachine::plain_cd());
  // Member 1 of the group of 0x20000, the others are empty.
  const u64 word = (SmallMachine::page + 0x21000) | SmallMachine::rw_leaf;
  m.put(SmallMachine::leaves + 8 * 0x21, word | descriptor_bits::contiguous);
  m.enable();
  EXPECT_EQ(m.text({.sid = 1, .va = 0x20000}), "32 F_TRANSLATION");
  EXPECT_LT(constant_until(m, tag_of(m, 1), 0x3000), 0x20000U);
}

TEST(CachesContiguous, AGroupLeadsToMemoryThatIsAlignedToIt) {
  const auto broken_by = [](u64 page_in_group, u64 index, bool judged) {
    SmallMachine m(device());
    if (judged) m.caches.judge_group_outputs();
    m.ste(1, stage1(0));
    m.cd(0, SmallMachine::plain_cd());
    m.enable();
    const u64 word = (SmallMachine::page + 0x1000 * page_in_group) | SmallMachine::rw_leaf;
    m.store(SmallMachine::leaves + 8 * (0x20 + index), word | descriptor_bits::contiguous);
    std::size_t broken = 0;
    for (const Violation& violation : m.caches.violations()) {
      broken += violation.rule == rule::CONFLICT_CONTIGUOUS ? 1 : 0;
    }
    return broken;
  };
  EXPECT_EQ(broken_by(0, 0, true), 0U);
  EXPECT_EQ(broken_by(0x23, 3, true), 0U);
  EXPECT_EQ(broken_by(1, 0, true), 1U);
  EXPECT_EQ(broken_by(3, 2, true), 1U);
  EXPECT_EQ(broken_by(1, 0, false), 0U) << "a litmus test's names have no addresses";
}

// ---- where an entry came from ----

TEST(CachesItems, APartOfARunKnowsItsOwnDescriptor) {
  SmallMachine m(device());
  m.ste(1, stage1(0));
  m.cd(0, SmallMachine::plain_cd());
  for (u64 i = 8; i < 12; ++i) {
    m.put(SmallMachine::leaves + 8 * i, (SmallMachine::page + 0x1000 * i) | SmallMachine::rw_leaf);
  }
  m.enable();
  m.step();
  for (u64 i = 8; i < 12; ++i) m.caches.store(AgentId::cpu0, SmallMachine::leaves + 8 * i, 0);
  m.caches.barrier(AgentId::cpu0);
  m.run(tlbi_va(0x9000));
  EXPECT_EQ(m.text({.sid = 1, .va = 0x9000}), "F_TRANSLATION");
  for (const u64 i : {u64{8}, u64{10}, u64{11}}) {
    bool cached = false;
    for (const Outcome& outcome : m.outcomes({.sid = 1, .va = 0x1000 * i})) {
      if (outcome.kind != OutcomeKind::translation) continue;
      cached = true;
      EXPECT_EQ(outcome.pa, SmallMachine::page + 0x1000 * i);
      EXPECT_EQ(outcome.origin, SmallMachine::leaves + 8 * i);
      EXPECT_EQ(outcome.value, (SmallMachine::page + 0x1000 * i) | SmallMachine::rw_leaf);
    }
    EXPECT_TRUE(cached) << i;
  }
}

// Hardware set the Access flag of a table descriptor; later the table goes.
TEST(CachesTables, AFlagThatHardwareSetLeavesNoWayBehind) {
  SmallMachine m(device());
  m.ste(1, stage1(0));
  m.cd(0, SmallMachine::plain_cd());
  m.enable();
  m.step();
  m.caches.device_store(SmallMachine::middle, SmallMachine::leaves | 3 | descriptor_bits::af);
  EXPECT_EQ(m.text({.sid = 1, .va = 0x1000}), "0");
  m.store(SmallMachine::middle, 0);
  Command all;
  all.op = Opcode::tlbi_nh_asid;
  all.asid = 5;
  m.run(all);
  EXPECT_FALSE(is_walkable_table(m.caches.view(), SmallMachine::leaves));
  m.caches.violations().clear();
  m.step();
  m.caches.recycle(SmallMachine::leaves, true);
  EXPECT_TRUE(m.caches.violations().empty());
}

/// A table goes once SMMUEN = 0 is acknowledged, whatever is cached of it; who sets SMMUEN again
/// without an invalidation may meet what stands there then.
TEST(Caches, ATableGoesWhileNothingIsFetched) {
  for (const bool acknowledged : {false, true}) {
    SmallMachine m(device());
    m.ste(1, stage1(0, 0));
    m.cd(0, SmallMachine::plain_cd());
    m.enable();
    m.step();
    m.caches.write_smmuen(false);
    if (acknowledged) m.caches.acknowledge_smmuen();
    m.step();
    m.caches.recycle(SmallMachine::leaves, true);
    EXPECT_EQ(m.caches.violations().empty(), acknowledged);
    EXPECT_EQ(m.caches.consistent(), "");
    m.caches.violations().clear();
    m.step();
    m.caches.write_smmuen(true);
    m.caches.acknowledge_smmuen();
    EXPECT_EQ(m.text({.sid = 1, .va = 0x1000}), "any");
    EXPECT_EQ(m.caches.consistent(), "");
  }
}

// Until SMMUEN is set nobody knows which EL2 world a command means.
TEST(CachesE2h, CommandsOfOneWorldProveNothingBeforeEnable) {
  for (const bool all : {false, true}) {
    SmallMachine m(device());
    m.ste(1, stage1(0, 2));
    m.cd(0, SmallMachine::plain_cd());
    m.enable();
    m.store(SmallMachine::leaves + 8, 0);
    m.caches.write_smmuen(false);
    m.caches.acknowledge_smmuen();
    m.caches.set_e2h(true);
    m.caches.set_e2h(false);
    Command command = tlbi_va(0x1000);
    command.op = all ? Opcode::tlbi_el2_all : Opcode::tlbi_el2_va;
    m.run(command);
    m.caches.write_smmuen(true);
    m.caches.acknowledge_smmuen();
    EXPECT_EQ(m.text({.sid = 1, .va = 0x1000}), all ? "F_TRANSLATION" : "0 F_TRANSLATION");
    command.op = Opcode::tlbi_el2_va;
    m.run(command);
    EXPECT_EQ(m.text({.sid = 1, .va = 0x1000}), "F_TRANSLATION");
  }
}

}  // namespace
}  // namespace iommucheck::spec::smmu_caches_test
