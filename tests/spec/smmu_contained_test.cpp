// SPDX-License-Identifier: MIT
// Both stages in the engine, where the first is a user's: what is not looked at, what combined
// entries keep of stage 2 and which commands end them, and what a user who is known may meet.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "smmu_caches_support.h"
#include "smmu_fixture.h"
#include "spec/smmu/causes.h"
#include "spec/smmu/visits.h"

namespace iommucheck::spec::smmu_contained_test {
namespace {

using ::testing::HasSubstr;

constexpr u64 page_word = 0x7ff;  // of stage 2: all rights, Normal write-back
constexpr u32 vmid = 7, asid = 5;
constexpr u64 user = 0x900000;  // the user's memory, from IPA 0x4000 on
constexpr u64 cd_ipa = 0x4000, tables_ipa = 0x5000, va = 0x3000;

Command of_vmid(Opcode op, u64 its_vmid = vmid) {
  Command command;
  command.op = op;
  command.vmid = its_vmid;
  return command;
}
Command s2_ipa(u64 ipa = 0x1000, bool leaf = true) {
  Command command = of_vmid(Opcode::tlbi_s2_ipa);
  command.address = ipa;
  command.leaf = leaf;
  return command;
}
Command of_stage1(Opcode op, u64 its_asid = asid, u64 address = va) {
  Command command = of_vmid(op);
  command.asid = its_asid;
  command.address = address;
  command.leaf = true;
  return command;
}
Command cfgi_all() {
  Command command;
  command.op = Opcode::cfgi_ste_range;
  command.range = 31;
  return command;
}
const Command nh_all = of_vmid(Opcode::tlbi_nh_all);

/// Stage 2 maps IPA 0x1000 and 0x2000 to pages 0 and 1, and the user's CD and tables, which lead
/// VA 0x3000 to IPA 0x1000.
struct NestedMachine : SmallMachine {
  static Capabilities caps() {
    Capabilities c = full_capabilities();
    c.s2p = true;
    return c;
  }
  explicit NestedMachine(bool nested = true) : SmallMachine(caps()) {
    for (const u64 i : {u64{1}, u64{2}}) put(leaves + 8 * i, (page + 0x1000 * (i - 1)) | page_word);
    for (u64 i = 0; i < 4; ++i) {
      caches.memory().assume_zero(user + 0x1000 * i);
      put(leaves + 8 * (4 + i), (user + 0x1000 * i) | page_word);
    }
    put_structure(user, users_cd());
    put(user + 0x1000, (tables_ipa + 0x1000) | 3);
    put(user + 0x2000, (tables_ipa + 0x2000) | 3);
    put(user_leaf, 0x1000 | rw_leaf);
    ste(1, nested ? both() : alone());
    enable();
  }
  static constexpr u64 user_leaf = user + 0x3000 + 8 * (va >> 12);
  static Cd<u64> users_cd() { return make_cd({.ttb0 = tables_ipa, .asid = asid, .t0sz = 25}); }
  static Stage2SteFields stage2() {
    return {.s2ttb = root, .s2t0sz = 25, .s2ps = 5, .s2vmid = vmid};
  }
  static Ste<u64> both() {
    return with_stage2(make_stage1_ste({.s1contextptr = cd_ipa}), stage2());
  }
  static Ste<u64> alone() { return with_stage2(make_bypass_ste(), stage2()); }

  /// CMD_SYNC is seen complete where it stands.
  void send(const std::vector<Command>& commands) {
    for (const Command& command : commands) {
      step();
      const Group group = caches.expose(command, true);
      step();
      if (command.op == Opcode::sync) caches.complete(group);
    }
  }
  /// What the intermediate address leads to, by the only way of the stream.
  std::vector<Outcome> of(u64 ipa, u32 sid = 1) const {
    const StreamOption way = caches.fetches().options_of(sid, 0, false).options.at(0);
    std::vector<Candidate> met;
    caches.lookups().collect(way.tag, ipa, met);
    std::vector<Outcome> found;
    caches.accesses().outcomes_by(way, {.sid = sid, .va = ipa}, met, true, found);
    return found;
  }
  std::string inside(u64 ipa, u32 sid = 1) const { return text_of(of(ipa, sid)); }
  std::string users(const Access& access) const {
    std::vector<Outcome> found;
    caches.nested().outcomes(access, [&](const Outcome& o) { found.push_back(o); });
    return text_of(found);
  }
  std::string why(u64 ipa) const {
    for (const Outcome& o : of(ipa)) {
      if (o.kind == OutcomeKind::translation) return explained(caches.view(), o);
    }
    return "";
  }
};

constexpr Access access{.sid = 1, .va = va};

TEST(Contained, NothingOfTheUsersIsLookedAt) {
  NestedMachine m;
  const auto found = m.outcomes(access);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, OutcomeKind::within);
  EXPECT_EQ(m.caches.tag(found[0].tag).stage, Stage::stage2);
  EXPECT_EQ(m.caches.tag(found[0].tag).vmid, vmid);
  EXPECT_EQ(m.caches.unsupported(), "");
  for (u64 i = 0; i < 4; ++i) {
    EXPECT_TRUE(m.caches.memory().frame(user + 0x1000 * i).is_unreachable());
  }
  EXPECT_TRUE(m.caches.nested().reaches(found[0].tag, NestedMachine::page + 0xfff));
  EXPECT_FALSE(m.caches.nested().reaches(found[0].tag, NestedMachine::page + 0x2000));
  const StreamOption way = m.caches.fetches().options_of(1, 0, false).options.at(0);
  EXPECT_TRUE(way.contained);
  EXPECT_EQ(way.kind, SteKind::nested);
  // What the STE alone ends is no question of stage 1.
  EXPECT_EQ(m.text({.sid = 1, .ssid = 1, .ssv = true, .va = va}), "C_BAD_SUBSTREAMID");
}

struct Order {
  const char* name;
  std::vector<Command> commands;
  const char* reason;  ///< why the page may still be reached; null: it may not
};

/// After the host has unmapped IPA 0x1000.
TEST(Contained, CombinedEntriesEndBehindStage2) {
  const Command sync = cmd_sync(), s2 = s2_ipa(), all = of_vmid(Opcode::tlbi_s12_vmall);
  const char* const again = "not behind the CMD_SYNC that ended the stage 2 entry";
  const char* const combined = "those need TLBI_NH_ALL or TLBI_S12_VMALL";
  const Order orders[] = {
      {"the right one", {s2, sync, nh_all, sync}, nullptr},
      {"all at once", {all, sync}, nullptr},
      {"of every VMID", {of_vmid(Opcode::tlbi_nsnh_all, 0), sync}, nullptr},
      {"all behind it", {s2, sync, all, sync}, nullptr},
      {"stage 2 alone", {s2, sync}, combined},
      {"stage 2 twice", {s2, sync, s2, sync}, combined},
      {"no sync between", {s2, nh_all, sync}, again},
      {"no sync between, the other first", {nh_all, s2, sync}, again},
      {"the other first", {nh_all, sync, s2, sync}, again},
      {"of another VMID", {s2, sync, of_vmid(Opcode::tlbi_nh_all, vmid + 1), sync}, "VMID"},
      {"by address", {s2, sync, of_stage1(Opcode::tlbi_nh_va), sync}, combined},
      {"by address of each", {s2, sync, of_stage1(Opcode::tlbi_nh_vaa), sync}, combined},
      {"by ASID", {s2, sync, of_stage1(Opcode::tlbi_nh_asid), sync}, combined},
      {"not synchronised", {s2, sync, nh_all}, "no completed CMD_SYNC"},
      {"stage 1 alone", {nh_all, sync}, "stage 1 entries only"},
      {"another page", {s2_ipa(0x2000), sync, nh_all, sync}, "other addresses"},
  };
  for (const Order& order : orders) {
    NestedMachine m;
    EXPECT_EQ(m.inside(0x1000), "0");
    m.store(NestedMachine::leaves + 8, 0);
    EXPECT_EQ(m.inside(0x1000), "0 F_TRANSLATION");
    m.send(order.commands);
    const bool may = order.reason != nullptr;
    EXPECT_EQ(m.inside(0x1000), may ? "0 F_TRANSLATION" : "F_TRANSLATION") << order.name;
    if (may) {
      EXPECT_THAT(m.why(0x1000), HasSubstr(order.reason)) << order.name;
    }
    EXPECT_EQ(m.inside(0x2000), "1");
    EXPECT_EQ(m.caches.consistent(), "");
    m.send({s2, sync, nh_all, sync});
    EXPECT_EQ(m.inside(0x1000), "F_TRANSLATION") << order.name;
    EXPECT_EQ(m.caches.items_alive(), 0U) << order.name;
  }
}

/// The twin: without stage 1 there are no combined entries.
TEST(Contained, Stage2AloneNeedsNoMore) {
  NestedMachine m(false);
  m.store(NestedMachine::leaves + 8, 0);
  m.send({s2_ipa(), cmd_sync()});
  EXPECT_EQ(m.inside(0x1000), "F_TRANSLATION");
  EXPECT_EQ(m.caches.items_alive(), 0U);
}

/// And a stream without stage 1 meets none of another's of its VMID.
TEST(Contained, AStreamOfStage2AloneMeetsNoCombinedEntry) {
  NestedMachine m;
  m.store(NestedMachine::strtab + 128 + 8, NestedMachine::alone().dw[1]);
  m.store(NestedMachine::strtab + 128 + 16, NestedMachine::alone().dw[2]);
  m.store(NestedMachine::strtab + 128 + 24, NestedMachine::alone().dw[3]);
  m.send({cfgi_all(), cmd_sync()});
  m.store(NestedMachine::strtab + 128, NestedMachine::alone().dw[0]);
  m.send({cfgi_all(), cmd_sync()});
  m.store(NestedMachine::leaves + 8, 0);
  m.send({s2_ipa(), cmd_sync()});
  EXPECT_EQ(m.text({.sid = 2, .va = 0x1000}), "F_TRANSLATION");
  EXPECT_EQ(m.inside(0x1000), "0 F_TRANSLATION");
}

/// Below a table that is unlinked each page is in combined entries, too.
TEST(Contained, AnUnlinkedTableIsInCombinedEntries) {
  for (const bool leaf : {true, false}) {
    NestedMachine m;
    m.store(NestedMachine::middle, 0);
    m.send({s2_ipa(0x1000, leaf), cmd_sync()});
    EXPECT_EQ(m.inside(0x1000), "0 F_TRANSLATION");
    m.send({nh_all, cmd_sync()});
    EXPECT_EQ(m.inside(0x1000), leaf ? "0 F_TRANSLATION" : "F_TRANSLATION");
    if (leaf) {
      EXPECT_THAT(m.why(0x1000), HasSubstr("leaves only; the entry is a table pointer"));
    }
    EXPECT_EQ(m.inside(0x2000), "1 F_TRANSLATION") << "one page was invalidated";
    m.send({of_vmid(Opcode::tlbi_s12_vmall), cmd_sync()});
    EXPECT_EQ(m.inside(0x2000), "F_TRANSLATION");
    EXPECT_EQ(m.caches.consistent(), "");
  }
}

/// The STE goes, its tables change, and the VMID comes again.
TEST(Contained, CombinedEntriesOutliveTheStreamThatMadeThem) {
  struct Case {
    std::vector<Command> between;
    bool lives;
  };
  const Command sync = cmd_sync();
  const Case cases[] = {{{s2_ipa(), sync}, true},
                        {{s2_ipa(), nh_all, sync}, false},
                        {{nh_all, sync, s2_ipa(), sync}, false},
                        {{s2_ipa(), sync, nh_all, sync}, false},
                        {{of_vmid(Opcode::tlbi_s12_vmall), sync}, false},
                        {{s2_ipa(), of_vmid(Opcode::tlbi_nh_all, 1), sync}, true}};
  for (const Case& one : cases) {
    NestedMachine m;
    m.store(NestedMachine::strtab + 64, 1);  // abort
    m.send({cfgi_all(), sync});
    m.send(one.between);
    m.store(NestedMachine::leaves + 8, 0);
    m.store(NestedMachine::strtab + 64, NestedMachine::both().dw[0]);
    m.send({cfgi_all(), sync});
    const std::size_t number = static_cast<std::size_t>(&one - cases);
    EXPECT_EQ(m.inside(0x1000), one.lives ? "0 F_TRANSLATION" : "F_TRANSLATION") << number;
    EXPECT_EQ(m.caches.consistent(), "");
  }
}

/// Where the same CMD_SYNC ends the STE nothing is proved: it may have filled again.
TEST(Contained, CfgiAndTlbiTogetherProveNothing) {
  NestedMachine m;
  m.store(NestedMachine::strtab + 64, 1);
  m.send({cfgi_all(), nh_all, s2_ipa(), cmd_sync()});
  m.store(NestedMachine::leaves + 8, 0);
  m.store(NestedMachine::strtab + 64, NestedMachine::both().dw[0]);
  m.send({cfgi_all(), cmd_sync()});
  EXPECT_EQ(m.inside(0x1000), "0 F_TRANSLATION");
}

/// Commands that the queue lost ended nothing.
TEST(Contained, ALostCommandEndsNoCombinedEntry) {
  NestedMachine m;
  m.store(NestedMachine::leaves + 8, 0);
  m.send({s2_ipa(), cmd_sync(), nh_all});
  m.caches.drop_commands(1);
  m.send({cmd_sync()});
  EXPECT_EQ(m.inside(0x1000), "0 F_TRANSLATION");
  m.send({nh_all, cmd_sync()});
  EXPECT_EQ(m.inside(0x1000), "F_TRANSLATION");
}

TEST(Contained, UndoingUndoesIt) {
  NestedMachine m;
  const auto mark = m.caches.trail().mark();
  m.store(NestedMachine::leaves + 8, 0);
  m.send({s2_ipa(), cmd_sync()});
  m.caches.trail().undo_to(mark);
  EXPECT_EQ(m.inside(0x1000), "0");
  EXPECT_EQ(m.caches.consistent(), "");
}

/// Whatever the user writes costs nothing and changes nothing.
TEST(Contained, TheUsersWordsChangeNothing) {
  std::mt19937_64 random(1);
  NestedMachine m;
  m.caches.track_changes(true);
  m.caches.dirty().clear();
  m.caches.dirty_streams().clear();
  for (unsigned i = 0; i < 2000; ++i) {
    const u64 word = user + 8 * (random() % (4 * frame_words));
    // Anything, and what could be a table or a CD of the user's or of the host's.
    const u64 places[] = {random(), tables_ipa | 3, NestedMachine::root | 3, cd_ipa | 1};
    m.store(word, places[random() % 4]);
    EXPECT_TRUE(m.caches.memory().frame(word).is_unreachable());
  }
  EXPECT_TRUE(m.caches.dirty().empty());
  EXPECT_TRUE(m.caches.dirty_streams().empty());
  EXPECT_TRUE(m.caches.violations().empty());
  EXPECT_FALSE(m.caches.gave_up());
  EXPECT_EQ(m.caches.items_alive(), 0U);
  EXPECT_EQ(m.text(access), "within");
  EXPECT_EQ(m.inside(0x1000), "0");
  const Outcome performed = m.caches.nested().newest(access);
  EXPECT_NE(performed.kind, OutcomeKind::any);
}

// ---- by ATS -------------------------------------------------------------------------------------

struct AtsMachine : NestedMachine {
  explicit AtsMachine(u64 eats = 1, u64 updates = 0) : NestedMachine(false) {
    Ste<u64> its = both();
    its.dw[2] |= updates;
    store(strtab + 64, 1);
    send({cfgi_all(), cmd_sync()});
    for (u64 w = 1; w < 4; ++w) store(strtab + 64 + 8 * w, its.dw[w] | (w == 1 ? eats << 28 : 0));
    send({cfgi_all(), of_vmid(Opcode::tlbi_s12_vmall), cmd_sync()});
    store(strtab + 64, its.dw[0]);
    send({cfgi_all(), cmd_sync()});
    caches.set_ats(1, true);
  }
  /// What its ATC leads the intermediate address to.
  std::string kept(u64 ipa) const {
    std::vector<Outcome> found;
    atcs_of(caches.view(), 1, [&](u32 tag, const AtcOwner& owner) {
      EXPECT_EQ(owner.ssv, AtcOwner::contained);
      caches.ats_accesses().by_atc(tag, {.sid = 1, .va = ipa}, found);
      EXPECT_TRUE(caches.nested().reaches(tag, page));
    });
    return text_of(found);
  }
};

/// What a device holds of a page is for addresses that nobody knows: an ATC_INV of all, last of
/// all.
TEST(Contained, WhatADeviceKeepsEndsByAnInvalidationOfAll) {
  const Command sync = cmd_sync(), everything = SmallMachine::atc_inv(1, 0, 52);
  const Command one_page = SmallMachine::atc_inv(1, 0x1000, 0);
  const Command of_pasid = SmallMachine::atc_inv(1, 1, 0, 52);
  const Order orders[] = {
      {"the right one", {s2_ipa(), sync, nh_all, sync, everything, sync}, nullptr},
      {"none", {s2_ipa(), sync, nh_all, sync}, ""},
      {"a page", {s2_ipa(), sync, nh_all, sync, one_page, sync}, ""},
      {"a PASID", {s2_ipa(), sync, nh_all, sync, of_pasid, sync}, ""},
      {"another's", {s2_ipa(), sync, nh_all, sync, SmallMachine::atc_inv(2, 0, 52), sync}, ""},
      {"too early", {s2_ipa(), sync, everything, nh_all, sync}, ""},
      {"before all", {everything, sync, s2_ipa(), sync, nh_all, sync}, ""},
  };
  for (const Order& order : orders) {
    AtsMachine m;
    EXPECT_EQ(m.text(access), "within");
    m.store(NestedMachine::leaves + 8, 0);
    m.send(order.commands);
    EXPECT_EQ(m.kept(0x1000), order.reason != nullptr ? "0" : "") << order.name;
    EXPECT_EQ(m.kept(0x2000), "") << "which may be asked for still";
    EXPECT_EQ(m.inside(0x1000), "F_TRANSLATION");
    EXPECT_EQ(m.caches.consistent(), "");
    m.caches.set_ats(1, false);
    EXPECT_EQ(m.kept(0x1000), "");
  }
}

/// A request marks the descriptor that memory has: by an entry of one that memory has no more, no
/// request is granted write, and where that is the page's only right a device keeps nothing.
TEST(Contained, OfAPageToBeWrittenOnlyNothingIsKeptOnceItsDescriptorIsGone) {
  constexpr u64 updates = u64{3} << 55;                                               // S2HD, S2HA
  constexpr u64 write_only = (page_word & ~u64{0xc0}) | u64{1} << 51 | u64{1} << 54;  // DBM, XN
  const Command sync = cmd_sync(), everything = SmallMachine::atc_inv(1, 0, 52);
  for (const bool readable : {true, false}) {
    AtsMachine m(1, updates);
    const u64 word = AtsMachine::page | (readable ? page_word : write_only);
    m.store(NestedMachine::leaves + 8, 0);
    m.send({s2_ipa(), sync, nh_all, sync, everything, sync});
    m.store(NestedMachine::leaves + 8, word);
    EXPECT_EQ(m.inside(0x1000), readable ? "0" : "F_PERMISSION");
    m.store(NestedMachine::leaves + 8, 0);
    m.send({everything, sync, s2_ipa(), sync, nh_all, sync});
    EXPECT_EQ(m.kept(0x1000), readable ? "0" : "");
    u64 entries = 0;
    atcs_of(m.caches.view(), 1, [&](u32 tag, const AtcOwner&) {
      entries += m.caches.view().atcs.items_of(tag & ~atc_tag_bit);
    });
    EXPECT_EQ(entries, readable ? 1U : 0U);
  }
}

/// By split-stage ATS devices hold intermediate addresses.
TEST(Contained, BySplitStageAtsNothingIsKept) {
  AtsMachine m(2);
  m.caches.set_atschk(true);
  EXPECT_EQ(m.text({.sid = 1, .va = va, .route = Route::translated}), "denied within");
  m.store(NestedMachine::leaves + 8, 0);
  m.send({s2_ipa(), cmd_sync(), nh_all, cmd_sync()});
  EXPECT_EQ(m.kept(0x1000), "");
  EXPECT_EQ(m.inside(0x1000), "F_TRANSLATION");
}

/// Also what it holds since the ATS of before: an address of it, whatever it was then, is an
/// intermediate one now, and stage 2 is asked. IHI 0070 13.6.3.
TEST(Contained, BySplitStageAtsWhatWasKeptBeforeMeetsStage2) {
  for (const bool split : {true, false}) {
    AtsMachine m(1);
    m.caches.set_atschk(true);
    m.store(NestedMachine::leaves + 8, 0);
    m.send({s2_ipa(), cmd_sync(), nh_all, cmd_sync()});
    ASSERT_EQ(m.kept(0x1000), "0");
    m.store(NestedMachine::strtab + 64 + 8,
            NestedMachine::both().dw[1] | (split ? u64{2} << 28 : 0));
    m.send({cfgi_all(), cmd_sync()});
    EXPECT_EQ(m.text({.sid = 1, .va = va, .route = Route::translated}),
              split ? "denied within" : "F_TRANSL_FORBIDDEN denied");
    EXPECT_EQ(m.kept(0x1000), split ? "within" : "F_TRANSL_FORBIDDEN");
  }
}

// ---- a user who is known ------------------------------------------------------------------------

TEST(KnownUser, MeetsWhatMemorySaysOfBothStages) {
  NestedMachine m;
  EXPECT_EQ(m.users(access), "0");
  EXPECT_TRUE(m.caches.nested().newest(access).same([&] {
    Outcome only;
    m.caches.nested().outcomes(access, [&](const Outcome& o) { only = o; });
    return only;
  }()));
  m.store(NestedMachine::user_leaf, 0);
  EXPECT_EQ(m.users(access), "F_TRANSLATION") << "nothing was told to be cached";
  m.store(NestedMachine::user_leaf, 0x9000 | NestedMachine::rw_leaf);
  m.caches.nested().outcomes(access, [&](const Outcome& o) {
    EXPECT_TRUE(o.stage2);
    EXPECT_EQ(o.ipa, 0x9000U);
    EXPECT_EQ(o.input, Stage2Input::transaction);
  });
  // Read-only at stage 2, and at stage 1.
  m.store(NestedMachine::user_leaf, 0x1000 | NestedMachine::rw_leaf | 1 << 7);
  const Access write{.sid = 1, .type = AccessType::write, .va = va};
  m.caches.nested().outcomes(write, [&](const Outcome& o) { EXPECT_FALSE(o.stage2); });
  EXPECT_EQ(m.users(write), "F_PERMISSION");
}

TEST(KnownUser, MeetsWhatTheHostHasNotInvalidated) {
  NestedMachine m;
  m.store(NestedMachine::leaves + 8, 0);
  EXPECT_EQ(m.users(access), "0 F_TRANSLATION");
  m.send({s2_ipa(), cmd_sync()});
  EXPECT_EQ(m.users(access), "0 F_TRANSLATION");
  m.send({nh_all, cmd_sync()});
  EXPECT_EQ(m.users(access), "F_TRANSLATION");
}

/// What is told to be cached lives until the user's command comes through.
TEST(KnownUser, StaleEntriesEndByTheirCommands) {
  struct Case {
    Command command;
    bool removes;
  };
  const Case cases[] = {{of_stage1(Opcode::tlbi_nh_va), true},
                        {of_stage1(Opcode::tlbi_nh_vaa), true},
                        {of_stage1(Opcode::tlbi_nh_asid), true},
                        {nh_all, true},
                        {of_vmid(Opcode::tlbi_s12_vmall), true},
                        {of_stage1(Opcode::tlbi_nh_va, asid + 1), false},
                        {of_stage1(Opcode::tlbi_nh_va, asid, 0x4000), false},
                        {of_stage1(Opcode::tlbi_nh_asid, asid + 1), false},
                        {of_vmid(Opcode::tlbi_nh_all, vmid + 1), false},
                        {s2_ipa(), false}};
  for (const Case& one : cases) {
    NestedMachine m;
    EXPECT_TRUE(m.caches.fill_nested(1, 0, false, va));
    m.store(NestedMachine::user_leaf, 0x2000 | NestedMachine::rw_leaf);
    EXPECT_EQ(m.users(access), "0 1");
    m.send({one.command, cmd_sync()});
    EXPECT_EQ(m.users(access), one.removes ? "1" : "0 1") << describe(one.command);
    EXPECT_EQ(m.text(access), "within");
    EXPECT_EQ(m.caches.consistent(), "");
  }
}

/// A table that is taken out is walked behind what is cached of the pointer to it, until a command
/// that is not of leaves alone covers one of its addresses. IHI 0070 4.4.1.
TEST(KnownUser, AWalkGoesOnBehindAPointerUntilItsCommand) {
  constexpr u64 beside = va + 0x5000, beyond = va + 0x200000;
  const auto of_all = [](Command command) {  // of_stage1() is of leaves
    command.leaf = false;
    return command;
  };
  struct Case {
    Command command;
    bool removes;
  };
  const Case cases[] = {{of_all(of_stage1(Opcode::tlbi_nh_va)), true},
                        {of_all(of_stage1(Opcode::tlbi_nh_va, asid, beside)), true},
                        {of_all(of_stage1(Opcode::tlbi_nh_vaa, asid, beside)), true},
                        {of_stage1(Opcode::tlbi_nh_asid), true},
                        {nh_all, true},
                        {of_stage1(Opcode::tlbi_nh_va), false},
                        {of_stage1(Opcode::tlbi_nh_vaa, asid, beside), false},
                        {of_all(of_stage1(Opcode::tlbi_nh_va, asid + 1)), false},
                        {of_all(of_stage1(Opcode::tlbi_nh_va, asid, beyond)), false},
                        {of_vmid(Opcode::tlbi_nh_all, vmid + 1), false},
                        {s2_ipa(), false}};
  for (const Case& one : cases) {
    NestedMachine m;
    EXPECT_TRUE(m.caches.fill_nested(1, 0, false, va));
    m.store(user + 0x2000, 0);
    m.send({of_stage1(Opcode::tlbi_nh_va), cmd_sync()});
    EXPECT_EQ(m.users(access), "0 F_TRANSLATION");
    m.caches.nested().outcomes(access, [&](const Outcome& o) {
      if (o.kind != OutcomeKind::translation) return;
      const std::string why = cause_text(cause_of(m.caches.view(), o, Misses::told));
      EXPECT_THAT(why, testing::HasSubstr("read through a cached table descriptor for 0x0"));
      EXPECT_THAT(why, testing::HasSubstr("leaves only; the entry is a table pointer"));
    });
    m.send({one.command, cmd_sync()});
    EXPECT_EQ(m.users(access), one.removes ? "F_TRANSLATION" : "0 F_TRANSLATION")
        << describe(one.command);
    EXPECT_EQ(m.caches.consistent(), "");
  }
}

TEST(KnownUser, OneOfAnotherAsidIsNotMet) {
  NestedMachine m;
  EXPECT_TRUE(m.caches.fill_nested(1, 0, false, va));
  Cd<u64> other = NestedMachine::users_cd();
  other.dw[0] = with_bits(other.dw[0], 63, 48, asid + 1);
  m.store(user, other.dw[0]);
  m.store(NestedMachine::user_leaf, 0x2000 | NestedMachine::rw_leaf);
  EXPECT_EQ(m.users(access), "0 1") << "by the CD that may be cached";
  Command cfgi;
  cfgi.op = Opcode::cfgi_cd;
  cfgi.sid = 1;
  cfgi.leaf = true;
  m.send({cfgi, cmd_sync()});
  EXPECT_EQ(m.users(access), "1");
}

/// An entry that a privileged access has filled is met by those that the half lets pass.
TEST(KnownUser, WhoMayNotUseAHalfMeetsNoEntryOfIt) {
  NestedMachine m;
  ASSERT_TRUE(m.caches.capabilities().e0pd);
  m.store(user + 8, NestedMachine::users_cd().dw[1] | u64{1} << 2);
  m.send({cfgi_all(), nh_all, cmd_sync()});
  ASSERT_FALSE(access.privileged);
  EXPECT_EQ(m.users(access), "F_TRANSLATION");
  EXPECT_TRUE(m.caches.fill_nested(1, 0, false, va));
  EXPECT_EQ(m.users(access), "F_TRANSLATION");
  Access by_kernel = access;
  by_kernel.privileged = true;
  EXPECT_EQ(m.users(by_kernel), "0");
}

TEST(KnownUser, NothingIsFilledWhereThereIsNoTranslation) {
  NestedMachine m;
  EXPECT_FALSE(m.caches.fill_nested(1, 0, false, 0x8000));
  m.store(NestedMachine::leaves + 8 * 4, 0);
  EXPECT_TRUE(m.caches.fill_nested(1, 0, false, va)) << "the CD is cached";
  NestedMachine without;
  without.store(NestedMachine::leaves + 8 * 4, 0);
  EXPECT_FALSE(without.caches.fill_nested(1, 0, false, va)) << "the CD is not there";
  NestedMachine alone(false);
  EXPECT_FALSE(alone.caches.fill_nested(1, 0, false, va));
}

// IHI 0070 3.4.3, 5.2.2, 7.3.22: the STE may be ILLEGAL, which comes before its SubstreamIDs.
TEST(Contained, AContextPointerBeyondTheInputSizeMayBeABadSte) {
  for (const unsigned s1dss : {0U, 1U}) {
    for (const bool beyond : {false, true}) {
      NestedMachine m;
      const u64 pointer = beyond ? u64{1} << 50 : cd_ipa;
      m.ste(1, with_stage2(make_stage1_ste({.s1contextptr = pointer, .s1cdmax = 2, .s1dss = s1dss}),
                           NestedMachine::stage2()));
      m.send({cfgi_all(), nh_all, cmd_sync()});
      std::vector<EventType> met;
      for (const Outcome& o : m.outcomes(Access{.sid = 1, .va = 0x1000})) met.push_back(o.event);
      EXPECT_EQ(std::ranges::count(met, EventType::c_bad_ste), beyond ? 1 : 0) << s1dss;
      EXPECT_EQ(std::ranges::count(met, EventType::f_stream_disabled), s1dss == 0 ? 1 : 0);
    }
  }
}

}  // namespace
}  // namespace iommucheck::spec::smmu_contained_test
