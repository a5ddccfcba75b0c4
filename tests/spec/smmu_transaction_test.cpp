// SPDX-License-Identifier: MIT
// transaction.h: the order of its steps, what each ends with, and that the engine permits what it
// says: an SMMU without caches is an SMMU.
#include "spec/smmu/transaction.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <random>

#include "spec/rules/promises.h"
#include "spec/rules/translation.h"
#include "transaction_machine.h"

namespace iommucheck::spec::smmu_transaction_test {
namespace {

std::string text(const Outcome& o) {
  return "kind " + std::to_string(static_cast<int>(o.kind)) + " pa " + std::to_string(o.pa) +
         " attr " + std::to_string(o.attr) + " dirty " + std::to_string(o.dirty) + " " +
         std::string(event_name(o.event)) + " by " + std::string(rule_name(o.rule)) + " seen " +
         std::to_string(static_cast<int>(o.seen.type)) + (o.seen.privileged ? "p" : "u") +
         (o.reaction.stall ? " stalls" : "") + (o.reaction.record ? "" : " silent");
}

std::string text(const Access& a) {
  return "sid " + std::to_string(a.sid) + " ssid " + (a.ssv ? std::to_string(a.ssid) : "-") +
         " va " + std::to_string(a.va) + " type " + std::to_string(static_cast<int>(a.type)) +
         (a.privileged ? "p" : "u") + (a.route == Route::translated ? " by ATS" : "");
}

/// Hardware has set all access flags already.
template <class Source>
struct AccessFlagsSet {
  Source& source;
  std::optional<u64> read(Structure kind, u64 pa) {
    const std::optional<u64> word = source.read(kind, pa);
    return kind == Structure::descriptor && word ? *word | u64{1} << 10 : word;
  }
};

enum class Verdict { permitted, exact, forbidden, not_exact, left_open };

/// Under both stages: any fault, and no translation but what stage 2 gives. What it is exactly is
/// one of NestedAccesses::outcomes(), and what is performed.
Verdict compare_within(TransactionMachine& m, u32 tag, const Outcome& outcome,
                       const Access& access) {
  if (outcome.kind == OutcomeKind::any || outcome.kind == OutcomeKind::denied) {
    return Verdict::left_open;
  }
  const Outcome performed = m.caches().nested().newest(access);
  if (performed.kind == OutcomeKind::any) return Verdict::forbidden;
  if (outcome.kind != OutcomeKind::translation) return Verdict::permitted;
  bool met = false;
  const bool done = m.caches().nested().outcomes(access, [&](const Outcome& o) {
    met |= o.kind == OutcomeKind::any || (o.kind == outcome.kind && o.pa == outcome.pa);
  });
  const bool inside = m.caches().nested().reaches(tag, outcome.pa) && performed.pa == outcome.pa;
  return inside && (met || !done) ? Verdict::permitted : Verdict::forbidden;
}

/// Where nothing is cached and all is visible the outcome is the only one; but
///  - two regimes under one tag, or translations in conflict, may do anything (3.17.3, 3.21.1),
///  - memory of unknown content may hold anything, global entries for other walks too,
///  - where a regime sets access flags in hardware they may be set at any time (3.13),
///  - a page marked dirty by an earlier request is written without marking it again (13.7),
///  - a global entry of another regime may be met with that one's E0PD, which an entry may keep
///    (DDI 0487, TCR_EL1.E0PD0).
template <class Source>
Verdict compare(TransactionMachine& m, Source& source, const bool& unknown, const Access& access,
                bool exact, std::string& why) {
  std::vector<Outcome> found;
  if (!m.caches().outcomes(access, [&](const Outcome& o) { found.push_back(o); })) {
    return Verdict::left_open;
  }
  const Outcome outcome = whole_transaction(source, m.state, access);
  AccessFlagsSet set{source};
  const Outcome with_flags = whole_transaction(set, m.state, access);
  why = text(access) + ": " + text(outcome) + "; engine:";
  for (const Outcome& o : found) why += " [" + text(o) + "]";
  const auto same = [&](const Outcome& o) { return o.same(outcome); };
  const bool any = !found.empty() && found.front().kind == OutcomeKind::any;
  if (any && outcome.kind != OutcomeKind::any) {
    const Rule rule = found.front().rule;
    const bool named = rule == rule::TAG_REGIMES || rule == rule::TAG_STAGE2 ||
                       rule == rule::CONFLICT_TLB || rule == rule::WILD_WALK || unknown ||
                       found.front().not_modelled != NotModelled::no;
    return exact && !named ? Verdict::not_exact : Verdict::left_open;
  }
  if (const auto within = std::ranges::find(found, OutcomeKind::within, &Outcome::kind);
      within != found.end()) {
    return compare_within(m, within->tag, outcome, access);
  }
  // Whether an S1ContextPtr beyond the IAS makes an STE illegal is open: C_BAD_STE is one end.
  if (!any && outcome.kind == OutcomeKind::any && outcome.rule == rule::STE_S1CONTEXTPTR) {
    const bool bad = std::ranges::any_of(
        found, [](const Outcome& o) { return o.event == EventType::c_bad_ste; });
    return bad ? Verdict::left_open : Verdict::forbidden;
  }
  if (std::ranges::none_of(found, same)) return Verdict::forbidden;
  if (!exact) return Verdict::permitted;
  if (outcome.dirty && access.route == Route::translated) {
    std::erase_if(found, [](const Outcome& o) { return !o.dirty; });
  }
  std::erase_if(found, [&](const Outcome& o) { return o.same(with_flags); });
  std::erase_if(found, [&](const Outcome& o) {
    return o.rule == rule::S1_E0PD && outcome.rule != rule::S1_E0PD && !not_global(o.value).value;
  });
  const bool only = std::ranges::all_of(found, same);
  return only ? Verdict::exact : Verdict::not_exact;
}

struct Counts {
  u64 exact = 0, permitted = 0, left_open = 0, forbidden = 0, not_exact = 0, translations = 0;
  std::string first;
};

void count(Counts& counts, Verdict verdict, const std::string& why) {
  switch (verdict) {
    case Verdict::exact: ++counts.exact; break;
    case Verdict::permitted: ++counts.permitted; break;
    case Verdict::left_open: ++counts.left_open; return;
    case Verdict::forbidden: ++counts.forbidden; break;
    case Verdict::not_exact: ++counts.not_exact; break;
  }
  if (verdict != Verdict::exact && verdict != Verdict::permitted && counts.first.empty()) {
    counts.first = why;
  }
}

template <class MakeSource>
void run_machine(const Draw& draw, const MakeSource& make, Counts& counts) {
  const bool apart = draw(2) == 0;
  TransactionMachine m(draw, apart);
  const auto judge = [&](bool exact) {
    for (int i = 0; i < 8; ++i) {
      auto source = make(m.caches().memory());
      std::string why;
      const Access access = m.draw_access();
      const Verdict verdict = compare(m, source, source.unknown, access, exact, why);
      counts.translations += why.find(": kind 0") != std::string::npos;
      count(counts, verdict, why);
    }
  };
  judge(apart);
  for (u64 i = draw(6); i != 0; --i) m.disturb();
  judge(false);
}

RC_GTEST_PROP(Transaction, IsOneOfTheEnginesOutcomes, ()) {
  const Draw draw = [](u64 n) { return *rc::gen::inRange<u64>(0, n); };
  Counts counts;
  run_machine(draw, [](const Memory& memory) { return NewestWords{memory}; }, counts);
  if (!counts.first.empty()) RC_LOG() << counts.first;
  RC_ASSERT(counts.forbidden == 0 && counts.not_exact == 0);
}

/// `enough`: no more machines once that many outcomes were forbidden.
template <class MakeSource>
Counts run_seeds(unsigned seeds, const MakeSource& make, u64 enough = ~u64{0}) {
  Counts counts;
  for (unsigned seed = 0; seed < seeds && counts.forbidden < enough; ++seed) {
    std::mt19937_64 engine(seed);
    const Draw draw = [&](u64 n) { return engine() % n; };
    run_machine(draw, make, counts);
  }
  return counts;
}

/// The property asks something: most machines decide, and many accesses arrive.
TEST(Transaction, TheMachinesDecide) {
  const Counts counts = run_seeds(600, [](const Memory& memory) { return NewestWords{memory}; });
  EXPECT_EQ(counts.forbidden, 0U) << counts.first;
  EXPECT_EQ(counts.not_exact, 0U) << counts.first;
  EXPECT_GT(counts.exact, 2000U);
  EXPECT_GT(counts.permitted, 5000U);
  EXPECT_GT(counts.translations, 250U);
  EXPECT_LT(counts.left_open, 1500U);
}

// ---- twins: sources that read a structure as one would who forgets a rule -----------------------

struct WrongSource : NewestWords {
  Structure kind;
  u64 (*change)(u64 pa, u64 word);
  std::optional<u64> read(Structure what, u64 pa) {
    const std::optional<u64> word = NewestWords::read(what, pa);
    return what == kind ? change(pa, *word) : *word;
  }
};

struct Twin {
  const char* name;
  Structure kind;
  u64 (*change)(u64 pa, u64 word);
};

constexpr Twin twins[] = {
    {"Span is one larger", Structure::l1std, [](u64, u64 w) { return w + 1; }},
    {"STE.V is not looked at", Structure::ste, [](u64 pa, u64 w) { return w | (pa % 64 == 0); }},
    {"PRIVCFG is ignored", Structure::ste,
     [](u64 pa, u64 w) { return pa % 64 == 8 ? w & ~mask(49, 48) : w; }},
    {"INSTCFG is ignored", Structure::ste,
     [](u64 pa, u64 w) { return pa % 64 == 8 ? w & ~mask(51, 50) : w; }},
    {"EATS is ignored", Structure::ste,
     [](u64 pa, u64 w) { return pa % 64 == 8 ? (w & ~mask(29, 28)) | u64{1} << 28 : w; }},
    {"S1DSS = 0 is taken for 1", Structure::ste,
     [](u64 pa, u64 w) { return pa % 64 == 8 && (w & 3) == 0 ? w | 1 : w; }},
    {"L1CD.V is not looked at", Structure::l1cd, [](u64, u64 w) { return w | 1; }},
    {"EPD0 is ignored", Structure::cd,
     [](u64 pa, u64 w) { return pa % 64 == 0 ? w & ~mask(14, 14) : w; }},
    {"TBI0 is ignored", Structure::cd,
     [](u64 pa, u64 w) { return pa % 64 == 0 ? w & ~mask(38, 38) : w; }},
    {"CD.S is ignored", Structure::cd,
     [](u64 pa, u64 w) { return pa % 64 == 0 ? w & ~mask(44, 44) : w; }},
    {"CD.R is ignored", Structure::cd,
     [](u64 pa, u64 w) { return pa % 64 == 0 ? w | mask(45, 45) : w; }},
    {"PAN is ignored", Structure::cd,
     [](u64 pa, u64 w) { return pa % 64 == 0 ? w & ~mask(40, 40) : w; }},
    {"AF is ignored", Structure::descriptor, [](u64, u64 w) { return w | u64{1} << 10; }},
    {"AP[2] is ignored", Structure::descriptor, [](u64, u64 w) { return w & ~mask(7, 7); }},
    {"APTable is ignored", Structure::descriptor, [](u64, u64 w) { return w & ~mask(62, 61); }},
};

TEST(Transaction, WrongReadingsAreNoticed) {
  for (const Twin& twin : twins) {
    const auto make = [&](const Memory& memory) {
      return WrongSource{{memory}, twin.kind, twin.change};
    };
    EXPECT_NE(run_seeds(600, make, 1).forbidden, 0U) << twin.name;
  }
}

// ---- each end once ------------------------------------------------------------------------------

/// A small machine whose words are a list, all others 0; reading `abort` aborts.
struct Listed {
  std::vector<std::pair<u64, u64>> words;
  std::optional<Structure> abort{};
  std::vector<Structure> reads{};
  std::optional<u64> read(Structure kind, u64 pa) {
    reads.push_back(kind);
    if (kind == abort) return std::nullopt;
    for (const auto& [place, word] : words) {
      if (place == pa) return word;
    }
    return 0;
  }
  template <class S>
  void put(u64 pa, const S& structure) {
    for (std::size_t w = 0; w < structure.dw.size(); ++w) {
      words.insert(words.begin(), {pa + 8 * w, structure.dw[w]});
    }
  }
};

struct TransactionEnds : ::testing::Test {
  static constexpr u64 strtab = 0x1000, cds = 0x2000, root = 0x3000, page = 0x80000;
  Listed memory;
  SmmuState state;
  Access access{.sid = 1, .va = 0x123};

  void SetUp() override {
    state.caps = full_capabilities();
    state.caps.attr_perms_ovr = true;
    state.streams.base = strtab;
    state.streams.log2size = state.streams.sid_bits = 2;
    state.smmuen = true;
    ste({});
    cd({});
    memory.words.insert(memory.words.begin(), {root, page | SmallMachine::rw_leaf});
  }
  void ste(Stage1SteFields fields) {
    fields.s1contextptr = cds;
    memory.put(strtab + 64, make_stage1_ste(fields));
  }
  /// T0SZ = 43: the walk starts at level 3.
  void cd(CdFields fields) {
    fields.ttb0 = root;
    fields.asid = 1;
    fields.t0sz = 43;
    memory.put(cds, make_cd(fields));
  }
  Outcome run() { return untranslated_transaction(memory, state, access); }
  AtsCompletion ask() { return ats_request(memory, state, access); }
};

TEST_F(TransactionEnds, ATranslation) {
  const Outcome outcome = run();
  EXPECT_EQ(outcome.kind, OutcomeKind::translation) << text(outcome);
  EXPECT_EQ(outcome.pa, page | 0x123);
  EXPECT_EQ(outcome.origin, root);
}

TEST_F(TransactionEnds, AbortsOfFetchesInTheOrderOfTheFetches) {
  const std::pair<Structure, EventType> ends[] = {{Structure::ste, EventType::f_ste_fetch},
                                                  {Structure::cd, EventType::f_cd_fetch},
                                                  {Structure::descriptor, EventType::f_walk_eabt}};
  for (const auto& [kind, event] : ends) {
    memory.abort = kind;
    memory.reads.clear();
    EXPECT_EQ(run().event, event);
    EXPECT_EQ(memory.reads.back(), kind) << "nothing is read after it";
  }
}

TEST_F(TransactionEnds, NothingIsFetchedWhereItEndsBefore) {
  state.smmuen = false;
  EXPECT_EQ(run().kind, OutcomeKind::bypass);
  EXPECT_TRUE(memory.reads.empty());
  state.smmuen = true;
  access.sid = 4;
  EXPECT_EQ(run().event, EventType::c_bad_streamid);
  EXPECT_TRUE(memory.reads.empty());
  access.sid = 1;
  access.ssv = true;
  EXPECT_EQ(run().event, EventType::c_bad_substreamid);
  EXPECT_EQ(memory.reads.size(), ste_words) << "no CD";
}

// IHI 0070 3.4: by Config the output size counts, by S1DSS the intermediate one.
TEST_F(TransactionEnds, SizesOfBypassedAddresses) {
  state.caps.aarch32 = true;
  state.caps.oas_lg2 = 36;
  access.va = u64{1} << 38 | 0x5000;
  ste({.s1cdmax = 2, .s1dss = 1});
  EXPECT_EQ(run().pa, 0x5000U);
  memory.put(strtab + 64, make_bypass_ste());
  EXPECT_EQ(run().event, EventType::f_addr_size);
  state.smmuen = false;
  EXPECT_EQ(run().kind, OutcomeKind::abort) << "without a record";
}

// IHI 0070 7.3, 7.3.14: the record of a bypass has the overrides too.
TEST_F(TransactionEnds, OverridesAreSeenWithoutStageOne) {
  Ste<u64> bypass = make_bypass_ste();
  bypass.dw[1] |= u64{3} << 48 | u64{3} << 50;
  memory.put(strtab + 64, bypass);
  access.va = u64{1} << 60;
  EXPECT_EQ(run().seen, (AccessKind{AccessType::execute, true}));
  access.type = AccessType::write;
  EXPECT_EQ(run().seen, (AccessKind{AccessType::write, true}));
}

TEST_F(TransactionEnds, StageTwoIsNotFollowed) {
  Ste<u64> nested = make_stage1_ste({.s1contextptr = cds});
  nested.dw[0] |= u64{2} << 1;
  nested.dw[2] = 25 | u64{1} << 32;  // no legal stage 2: it depends on the fields
  memory.put(strtab + 64, nested);
  const Outcome outcome = run();
  EXPECT_TRUE(outcome.kind == OutcomeKind::any || outcome.event == EventType::c_bad_ste);
}

// IHI 0070 3.9.1.2, 7.3.6.
TEST_F(TransactionEnds, RequestsThatAreRefused) {
  EXPECT_EQ(ask().status, AtsStatus::unsupported_request) << "EATS = 0";
  EXPECT_EQ(ask().event, EventType::f_bad_ats_treq);
  memory.put(strtab + 64, make_bypass_ste());
  EXPECT_EQ(ask().event, EventType::f_bad_ats_treq);
  memory.put(strtab + 64, make_abort_ste());
  EXPECT_EQ(ask().status, AtsStatus::unsupported_request);
  EXPECT_EQ(ask().event, EventType::none);
  memory.put(strtab + 64, Ste<u64>{});
  EXPECT_EQ(ask().status, AtsStatus::completer_abort);
  EXPECT_EQ(ask().event, EventType::none);
  state.rec_cfg_ats = true;
  EXPECT_EQ(ask().event, EventType::c_bad_ste);
  state.smmuen = false;
  EXPECT_EQ(ask().event, EventType::f_bad_ats_treq);
  EXPECT_EQ(ask().status, AtsStatus::unsupported_request);
}

TEST_F(TransactionEnds, RequestsThatAreAnswered) {
  ste({.eats = 1});
  EXPECT_EQ(ask().granted.pa, page | 0x123);
  access.va = 0x1000;
  EXPECT_EQ(ask().status, AtsStatus::success) << "nothing is mapped there";
  EXPECT_EQ(ask().granted.kind, OutcomeKind::denied);
  EXPECT_EQ(ask().event, EventType::none);
  state.rec_cfg_ats = true;
  memory.abort = Structure::cd;
  EXPECT_EQ(ask().event, EventType::f_cd_fetch);
}

// IHI 0070 3.9.1.2: C_BAD_STREAMID of a request needs RECINVSID as well.
TEST_F(TransactionEnds, RequestsOfAStreamOutOfRange) {
  access.sid = 9;
  state.rec_cfg_ats = true;
  EXPECT_EQ(ask().event, EventType::none);
  state.recinvsid = true;
  EXPECT_EQ(ask().event, EventType::c_bad_streamid);
  EXPECT_EQ(ask().status, AtsStatus::completer_abort);
}

// IHI 0070 3.9.1.3, 7.3.8.
TEST_F(TransactionEnds, TranslatedTransactions) {
  const Outcome granted{.kind = OutcomeKind::translation, .pa = page};
  const auto send = [&] { return translated_transaction(memory, state, access, granted); };
  EXPECT_EQ(send().pa, page) << "EATS = 0, and nobody looks";
  state.atschk = true;
  EXPECT_EQ(send().event, EventType::f_transl_forbidden);
  ste({.eats = 1});
  EXPECT_EQ(send().pa, page);
  memory.put(strtab + 64, make_abort_ste());
  EXPECT_EQ(send().kind, OutcomeKind::abort);
  memory.put(strtab + 64, Ste<u64>{});
  EXPECT_EQ(send().kind, OutcomeKind::abort);
  state.rec_cfg_ats = true;
  EXPECT_EQ(send().event, EventType::c_bad_ste);
  access.sid = 9;
  EXPECT_EQ(send().event, EventType::c_bad_streamid);
  state.smmuen = false;
  EXPECT_EQ(send().event, EventType::f_transl_forbidden) << "not a silent abort";
}

// IHI 0070 3.9.1.3, 7.3.7: as an ordinary one without a SubstreamID would meet it.
TEST_F(TransactionEnds, TranslatedTransactionsOfADisabledStream) {
  const Outcome granted{.kind = OutcomeKind::translation, .pa = page};
  const auto send = [&] { return translated_transaction(memory, state, access, granted); };
  ste({.s1cdmax = 2, .s1dss = 0, .eats = 1});
  EXPECT_EQ(send().pa, page) << "nobody looks";
  state.atschk = true;
  EXPECT_EQ(send().kind, OutcomeKind::abort);
  state.rec_cfg_ats = true;
  EXPECT_EQ(send().event, EventType::f_stream_disabled);
  ste({.s1cdmax = 2, .s1dss = 0});
  EXPECT_EQ(send().event, EventType::f_transl_forbidden) << "EATS comes first";
  for (const unsigned s1dss : {1U, 2U}) {
    ste({.s1cdmax = 2, .s1dss = s1dss, .eats = 1});
    EXPECT_EQ(send().pa, page);
  }
}

}  // namespace
}  // namespace iommucheck::spec::smmu_transaction_test
