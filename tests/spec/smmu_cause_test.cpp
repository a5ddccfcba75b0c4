// SPDX-License-Identifier: MIT
// Why an access may meet something, as facts: which command came nearest, which word of which
// structure is only cached, why an address cannot be translated. What a driver's author is told
// stands on these.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "smmu_caches_support.h"
#include "smmu_fixture.h"
#include "spec/rules/translation.h"
#include "spec/smmu/causes.h"

namespace iommucheck::spec::smmu_cause_test {
namespace {

using Kind = Cause::Kind;
using Reason = NotCovered::Reason;

/// Stream 1 with one CD (ASID 5). The boot has invalidated everything, at the first events.
struct BootedMachine : SmallMachine {
  BootedMachine() : SmallMachine(full_capabilities()) {
    ste(1, make_stage1_ste({.s1contextptr = cds, .s1cdmax = 0, .s1dss = 0}));
    cd(0, plain_cd());
    enable();
    run(cmd_tlbi_nsnh_all());
    run(cmd_cfgi_all());
  }
  /// Why page 0 may still be reached; its leaf was replaced at event `unmapped`.
  Cause why(u64 va = 0x1000) const {
    for (const Outcome& o : outcomes({.sid = 1, .va = va})) {
      if (o.kind == OutcomeKind::translation) return cause_of(caches.view(), o);
    }
    ADD_FAILURE() << "nothing is reached";
    return {};
  }
  NearestMiss miss_after(const Command& command) {
    store(leaves + 8, 0);
    run(command);
    const Cause cause = why();
    EXPECT_EQ(cause.kind, Kind::cached_translation);
    EXPECT_TRUE(cause.miss.has_value());
    return cause.miss.value_or(NearestMiss{});
  }
};

TEST(Cause, NearestMissIsTheLaterCommandWithTheWrongAsid) {
  BootedMachine m;
  const NearestMiss miss = m.miss_after(cmd_tlbi_nh_va(0, 6, 0x1000));
  EXPECT_EQ(miss.command.op, Opcode::tlbi_nh_va);
  EXPECT_EQ(miss.why.reason, Reason::asid);
  EXPECT_EQ(miss.why.its, 6U);
  EXPECT_EQ(miss.why.wanted, 5U);
  EXPECT_TRUE(miss.why.same_address);
}

/// Who asks only what it is, is told all but the command.
TEST(Cause, NearestMissMayBeLeftOut) {
  BootedMachine m;
  EXPECT_EQ(m.miss_after(cmd_tlbi_nh_va(0, 6, 0x1000)).command.op, Opcode::tlbi_nh_va);
  const Cause told = m.why();
  for (const Outcome& o : m.outcomes({.sid = 1, .va = 0x1000})) {
    if (o.kind != OutcomeKind::translation) continue;
    const Cause brief = cause_of(m.caches.view(), o, Misses::left_out);
    EXPECT_FALSE(brief.miss.has_value());
    EXPECT_EQ(brief.kind, told.kind);
    EXPECT_EQ(brief.pa, told.pa);
    EXPECT_EQ(brief.value, told.value);
    EXPECT_EQ(brief.stored_at, told.stored_at);
    return;
  }
  ADD_FAILURE() << "nothing is reached";
}

TEST(Cause, NearestMissIsTheLaterCommandWithTheWrongRange) {
  BootedMachine m;
  m.store(m.leaves + 8, 0);
  m.run(cmd_tlbi_nh_va(0, 5, 0x9000));
  m.run(cmd_tlbi_nh_va(0, 5, 0x2000));  // nearer, and not the last
  m.run(cmd_tlbi_nh_va(0, 5, 0x8000));
  const NearestMiss miss = m.why().miss.value_or(NearestMiss{});
  EXPECT_EQ(miss.why.reason, Reason::address);
  EXPECT_EQ(miss.command.address, 0x2000U);
}

TEST(Cause, NearestMissIsTheLaterCommandThatNamesLeavesOnly) {
  BootedMachine m;
  m.store(m.middle, 0);
  m.run(cmd_tlbi_nh_va(0, 5, 0x1000, true));
  const Cause cause = m.why();
  ASSERT_TRUE(cause.miss.has_value());
  EXPECT_EQ(cause.kind, Kind::cached_pointer);
  EXPECT_EQ(cause.miss->why.reason, Reason::leaf_only);
  ASSERT_TRUE(cause.through.has_value());
  EXPECT_EQ(cause.through->pa, m.leaves + 8);
}

TEST(Cause, WithoutALaterCommandTheOneBeforeIsNamed) {
  BootedMachine m;
  m.store(m.leaves + 8, 0);
  const NearestMiss miss = m.why().miss.value_or(NearestMiss{});
  EXPECT_EQ(miss.kind, NearestMiss::Kind::too_early);
  EXPECT_EQ(miss.command.op, Opcode::tlbi_nsnh_all);
}

TEST(Cause, ACommandForSomethingElseIsNoMiss) {
  BootedMachine m;
  const NearestMiss miss = m.miss_after(cmd_tlbi_nh_va(0, 7, 0x70000));
  EXPECT_EQ(miss.command.op, Opcode::tlbi_nsnh_all) << "another space's, about another address";
}

/// The right ASID and address of EL2, where the entry is of EL1: a fetch of the STE that mixed
/// words had STRW = 0, say.
TEST(Cause, NearestMissIsTheLaterCommandOfAnotherStreamWorld) {
  BootedMachine m;
  Command of_el2;
  of_el2.op = Opcode::tlbi_el2_va;
  of_el2.asid = 5;
  of_el2.address = 0x1000;
  const NearestMiss miss = m.miss_after(of_el2);
  EXPECT_EQ(miss.command.op, Opcode::tlbi_el2_va);
  EXPECT_EQ(miss.why.reason, Reason::world);
  EXPECT_THAT(miss_text(miss), ::testing::HasSubstr("another stream world; the entry is of EL1"));

  BootedMachine other;
  of_el2.address = 0x70000;
  EXPECT_EQ(other.miss_after(of_el2).command.op, Opcode::tlbi_nsnh_all) << "nor its address";
}

TEST(Cause, ACommandThatIsNotSynchronisedIsNearest) {
  BootedMachine m;
  m.store(m.leaves + 8, 0);
  m.step();
  m.caches.expose(cmd_tlbi_nh_va(0, 5, 0x1000), true);
  m.step();
  m.run(cmd_tlbi_nh_va(0, 6, 0x1000));
  // The CMD_SYNC of the second ends both, so only before it is complete there is something to say.
  BootedMachine open;
  open.store(open.leaves + 8, 0);
  open.step();
  open.caches.expose(cmd_tlbi_nh_va(0, 6, 0x1000), true);
  open.caches.expose(cmd_tlbi_nh_va(0, 5, 0x1000), true);
  open.caches.expose(cmd_tlbi_nh_va(0, 6, 0x1000), true);
  const NearestMiss miss = open.why().miss.value_or(NearestMiss{});
  EXPECT_EQ(miss.kind, NearestMiss::Kind::not_complete);
  EXPECT_EQ(miss.command.asid, 5U);
}

/// A run may have no end: the last commands are remembered, in order, and going back brings back
/// those that had been forgotten.
TEST(Cause, OfManyCommandsTheLastOnesAreRemembered) {
  BootedMachine m;
  m.store(m.leaves + 8, 0);
  m.run(cmd_tlbi_nh_va(0, 6, 0x1000));
  const Trail::Mark mark = m.caches.trail().mark();
  for (unsigned i = 0; i < 6000; ++i) m.run(cmd_tlbi_nh_va(0, 7, u64{0x100000} + i * 0x1000));
  EXPECT_FALSE(m.why().miss.has_value()) << "nothing near is among the last";
  m.run(cmd_tlbi_nh_va(0, 8, 0x1000));
  const NearestMiss last = m.why().miss.value_or(NearestMiss{});
  EXPECT_EQ(last.why.reason, Reason::asid);
  EXPECT_EQ(last.why.its, 8U);
  m.caches.trail().undo_to(mark);
  const NearestMiss first = m.why().miss.value_or(NearestMiss{});
  EXPECT_EQ(first.why.its, 6U);
}

/// A CD that memory has changed and no CFGI_CD has removed: which words, since when, and the CFGI
/// that came nearest.
TEST(Cause, ACachedCdIsNamedWithItsWords) {
  BootedMachine m;
  EXPECT_TRUE(causes_of_stream(m.caches.view(), 1, std::nullopt).empty());
  const Cd<u64> other = SmallMachine::plain_cd(9);
  m.store(m.cds, other.dw[0]);
  const EventIndex stored = m.caches.now();
  m.run(cmd_cfgi_ste(2));
  const std::vector<Cause> causes = causes_of_stream(m.caches.view(), 1, std::nullopt);
  ASSERT_EQ(causes.size(), 1U);
  EXPECT_EQ(causes[0].kind, Kind::cached_structure);
  EXPECT_EQ(causes[0].structure, ConfigKind::cd);
  EXPECT_EQ(causes[0].pa, m.cds);
  ASSERT_EQ(causes[0].words.size(), 1U);
  EXPECT_EQ(causes[0].words[0].index, 0U);
  EXPECT_EQ(causes[0].words[0].value, SmallMachine::plain_cd().dw[0]);
  EXPECT_EQ(causes[0].words[0].now, other.dw[0]);
  EXPECT_EQ(causes[0].words[0].stored_at, stored);
  ASSERT_TRUE(causes[0].miss.has_value());
  EXPECT_EQ(causes[0].miss->why.reason, Reason::stream);
  m.run(cmd_cfgi_cd(1, 0));
  EXPECT_TRUE(causes_of_stream(m.caches.view(), 1, std::nullopt).empty());
}

TEST(Cause, TheStructureInMemoryThatDecidesIsNamed) {
  BootedMachine m;
  m.store(m.strtab + 64, 0);
  m.run(cmd_cfgi_ste(1));
  std::vector<StreamOption> options;
  ASSERT_TRUE(m.caches.fetches().stream_options(1, 0, false, options));
  ASSERT_EQ(options.size(), 1U);
  EXPECT_EQ(options[0].event, EventType::c_bad_ste);
  const Cause cause = cause_in_memory(m.caches.view(), 1, std::nullopt, options[0]);
  EXPECT_EQ(cause.kind, Kind::structure);
  EXPECT_EQ(cause.structure, ConfigKind::ste);
  EXPECT_EQ(cause.pa, m.strtab + 64);
  EXPECT_THAT(cause_text(cause), ::testing::HasSubstr("where this has to hold: STE.V is 1."));
}

/// The STE was made valid, and an access still meets the one that was not: by what is cached.
TEST(Cause, MemoryIsNotAccusedOfWhatIsCached) {
  BootedMachine m;
  const u64 valid = m.caches.memory().newest(m.strtab + 64).value;
  m.store(m.strtab + 64, 0);
  m.run(cmd_cfgi_ste(1));
  EXPECT_TRUE(memory_ends_in(m.caches.view(), 1, std::nullopt, EventType::c_bad_ste));
  m.store(m.strtab + 64, valid);
  EXPECT_TRUE(memory_ends_in(m.caches.view(), 1, std::nullopt, EventType::none));
  std::vector<StreamOption> options;
  ASSERT_TRUE(m.caches.fetches().stream_options(1, 0, false, options));
  const auto its = std::ranges::find(options, EventType::c_bad_ste, &StreamOption::event);
  ASSERT_NE(its, options.end()) << "the STE that was not valid may be cached";
  const std::string text = cause_text(cause_in_memory(m.caches.view(), 1, std::nullopt, *its));
  EXPECT_THAT(text, ::testing::HasSubstr("no access that meets it ends so"));
  EXPECT_THAT(text, ::testing::Not(::testing::HasSubstr("has to hold")));
}

TEST(Cause, AnAddressBeyondTheInputRangeSaysSo) {
  BootedMachine m;
  std::vector<StreamOption> options;
  ASSERT_TRUE(m.caches.fetches().stream_options(1, 0, false, options));
  const u64 beyond = u64{1} << 39;  // T0SZ is 25
  std::vector<Candidate> found;
  m.caches.lookups().collect(options.at(0).tag, beyond, found);
  EXPECT_TRUE(found.empty());
  const Cause cause = cause_of_fault(m.caches.view(), options[0].tag, beyond, found);
  EXPECT_EQ(cause.kind, Kind::beyond_input);
  EXPECT_EQ(cause.txsz, 25U);
  EXPECT_NE(cause_text(cause).find("39 bits"), std::string::npos) << cause_text(cause);
}

TEST(Cause, AStoreThatNoBarrierMadeVisibleIsNamed) {
  BootedMachine m;
  m.step();
  m.caches.store(AgentId::cpu0, m.leaves + 8, 0);
  const Cause cause = m.why();
  EXPECT_EQ(cause.kind, Kind::pending_word);
  EXPECT_EQ(cause.stored_at, m.caches.now());
}

/// IHI 0070 3.17: where nG = 0 the ASID is not looked at, so that the word may be in other tables.
TEST(Cause, AGlobalLeafIsNamed) {
  BootedMachine m;
  m.store(m.leaves + 24, (m.page + 0x2000) | (m.rw_leaf & ~(u64{1} << 11)));
  std::vector<StreamOption> options;
  ASSERT_TRUE(m.caches.fetches().stream_options(1, 0, false, options));
  const auto cause_at = [&](u64 va) {
    std::vector<Candidate> found;
    m.caches.lookups().collect(options.at(0).tag, va, found);
    const auto leaf = std::ranges::find(found, Candidate::Kind::leaf, &Candidate::kind);
    return leaf == found.end() ? Cause{} : cause_of(m.caches.view(), *leaf, va);
  };
  EXPECT_EQ(cause_at(0x1000).kind, Kind::word);
  EXPECT_EQ(cause_at(0x3000).kind, Kind::global_word);
  EXPECT_EQ(cause_at(0x3000).pa, m.leaves + 24);
}

TEST(Cause, EachKindHasItsOwnWords) {
  std::set<std::string> texts;
  for (unsigned kind = 0; kind <= static_cast<unsigned>(Kind::global_word); ++kind) {
    Cause cause;
    cause.kind = static_cast<Kind>(kind);
    cause.rule = rule::S1_DESCRIPTOR_VALID;
    cause.words = {{.index = 1, .value = 2, .now = 3, .stored_at = 4}};
    const std::string text = cause_text(cause);
    EXPECT_NE(text, "?") << kind;
    EXPECT_TRUE(texts.insert(text).second) << text;
  }
}

/// What a cached STE has kept of CR0 is in no memory.
TEST(Cause, AtschkIsToldByItsRegister) {
  Cause cause{.kind = Cause::Kind::cached_structure, .pa = ConfigItem::no_place, .sid = 1};
  cause.words.push_back({.index = ConfigItem::atschk_word, .value = 0, .stored_at = 9});
  const std::string text = cause_text(cause);
  EXPECT_THAT(text, ::testing::StartsWith(
                        "a cached STE of stream 0x1: CR0.ATSCHK as 0 (it was changed: event 9)"));
}

}  // namespace
}  // namespace iommucheck::spec::smmu_cause_test
