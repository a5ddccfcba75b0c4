// SPDX-License-Identifier: MIT
// From each of 48 STEs to each: what the SMMU may read on the way, and that no way is shorter.
// IHI 0070 3.21.3, 5.2.
#include "impl/smmuv3/ste_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "spec/smmu/ste.h"
#include "spec/smmu/ste_legal.h"
#include "tests/explain/all_ways.h"
#include "tests/spec/random_words.h"

namespace iommucheck::ste_writer_test {
namespace {

using impl::ste::Step;
using impl::ste::Words;
using test::all_at_once;
using test::Harm;
using test::mixed;
using test::Proof;
using test::word0_first;
using test::Writer;

spec::Capabilities machine() {
  spec::Capabilities caps;
  caps.minor = 3;
  caps.s1p = caps.s2p = caps.aarch64 = caps.asid16 = caps.vmid16 = caps.hyp = caps.ats = true;
  caps.cd2l = caps.cohacc = caps.gran4k = caps.attr_types_ovr = caps.attr_perms_ovr = true;
  caps.stall_model = spec::StallModel::both;
  caps.ssidsize = 20;
  caps.sidsize = 16;
  caps.oas_lg2 = 48;
  return caps;
}

const spec::Capabilities caps = machine();

spec::Ste<u64> ste_of(const Words& words) {
  spec::Ste<u64> ste;
  std::ranges::copy(words, ste.dw.begin());
  return ste;
}

Words words_of(const spec::Ste<u64>& ste) { return {ste.dw[0], ste.dw[1], ste.dw[2], ste.dw[3]}; }

// ---- the states ---------------------------------------------------------------------------------

enum class Kind : u8 {
  blocked,
  bypass,
  one_cd,
  table,
  bypass_with_pasids,
  blocked_with_pasids,
  stage2,
  nested,
};
constexpr unsigned kinds = 8;
constexpr u64 eats_mask = mask(29, 28);
constexpr u64 mev_bit = u64{1} << 19;
constexpr u64 s1dss_mask = mask(1, 0);
constexpr u64 config_mask = mask(3, 1);

/// Whether the tables of CDs are each kind's own, and whether stage 1 alone has the VMID of
/// stage 2.
struct World {
  bool own_tables = true;
  bool one_vmid = false;
};

constexpr u64 table_pa = 0x8000'0000;

u64 pointer_of(Kind kind, const World& world) {
  const bool is_table =
      kind == Kind::table || kind == Kind::bypass_with_pasids || kind == Kind::blocked_with_pasids;
  if (is_table && !world.own_tables) return table_pa;
  return table_pa + (u64{static_cast<u8>(kind)} - static_cast<u8>(Kind::table)) * 0x10'0000;
}

/// The first CD of a table is there where accesses without a PASID use it.
bool has_cd0(u64 pointer) { return pointer == table_pa; }

struct State {
  Kind kind{};
  u64 eats = 0;
  bool mev = false;
};

Words words_of(const State& state, const World& world) {
  const spec::Stage2SteFields stage2{.s2ttb = 0x9000'0000, .s2vmid = 7};
  const auto stage1 = [&](unsigned cdmax, unsigned s1dss) {
    spec::Ste<u64> ste = spec::make_stage1_ste({.s1contextptr = pointer_of(state.kind, world),
                                                .s1cdmax = cdmax,
                                                .s1dss = s1dss,
                                                .s2vmid = world.one_vmid ? 7U : 0U});
    ste.dw[1] |= u64{1} << 44;  // SHCFG: use incoming, as bypass has it
    return ste;
  };
  spec::Ste<u64> ste;
  switch (state.kind) {
    case Kind::blocked: ste = spec::make_abort_ste(); break;
    case Kind::bypass: ste = spec::make_bypass_ste(); break;
    case Kind::one_cd: ste = stage1(0, 0); break;
    case Kind::table: ste = stage1(8, 2); break;
    case Kind::bypass_with_pasids: ste = stage1(8, 1); break;
    case Kind::blocked_with_pasids: ste = stage1(8, 0); break;
    case Kind::stage2: ste = spec::with_stage2(spec::make_bypass_ste(), stage2); break;
    case Kind::nested: ste = spec::with_stage2(stage1(0, 0), stage2); break;
  }
  ste.dw[1] |= state.eats << 28 | (state.mev ? mev_bit : 0);
  return words_of(ste);
}

std::string text_of(const State& state) {
  constexpr const char* names[] = {"blocked",       "bypass",         "one CD",  "table",
                                   "bypass+PASIDs", "blocked+PASIDs", "stage 2", "nested"};
  return std::string(names[static_cast<u8>(state.kind)]) + " EATS " + std::to_string(state.eats) +
         (state.mev ? " MEV" : "");
}

std::vector<State> all_states() {
  std::vector<State> all;
  for (unsigned kind = 0; kind < kinds; ++kind) {
    for (u64 eats = 0; eats < 3; ++eats) {
      for (const bool mev : {false, true}) all.push_back({static_cast<Kind>(kind), eats, mev});
    }
  }
  return all;
}

// ---- what an STE means --------------------------------------------------------------------------

/// What becomes of an access: where it ends, or the bits by which it is translated.
struct Fate {
  enum class End : u8 { goes_on, silent, recorded, illegal } end = End::goes_on;
  Words by{};
  friend bool operator==(const Fate&, const Fate&) = default;
};

struct Meaning {
  Fate without_pasid, with_pasid;
  u64 eats = 0;
  friend bool operator==(const Meaning&, const Meaning&) = default;
};

Words used(spec::Ste<u64> ste, bool skips_stage1) {
  if (skips_stage1) ste.dw[0] &= ~(u64{1} << 1);
  ste = spec::used_part(ste);
  ste.dw[1] &= ~(eats_mask | mev_bit | s1dss_mask);
  // What stage 1 translates has its descriptor's shareability.
  if (ste.stage1().value) ste.dw[1] &= ~mask(45, 44);
  return words_of(ste);
}

Meaning meaning_of(const Words& words) {
  using End = Fate::End;
  const spec::Ste<u64> ste = ste_of(words);
  const spec::SteDecision decided = spec::decode_ste(ste, caps);
  if (decided.kind == spec::SteKind::bad) return {{End::illegal}, {End::illegal}};
  if (decided.kind == spec::SteKind::abort) return {{End::silent}, {End::silent}};
  Meaning meaning{{.by = used(ste, false)}, {.by = used(ste, false)}};
  if (decided.kind == spec::SteKind::bypass) return meaning;
  meaning.eats = ste.eats();
  if (!decided.has_stage1()) return meaning;
  if (ste.s1cdmax() == 0) {
    meaning.with_pasid = {End::recorded};
    return meaning;
  }
  const bool no_cd0 = ste.s1dss() == 2 && !has_cd0(ste.s1contextptr());
  if (ste.s1dss() == 0 || no_cd0) meaning.without_pasid = {End::recorded};
  if (ste.s1dss() == 1) meaning.without_pasid = {.by = used(ste, true)};
  return meaning;
}

/// An STE that is ILLEGAL half written is no abort to rely on: of some fields that are out of range
/// hardware may make another value.
Harm harm(const Meaning& seen, const Meaning& from, const Meaning& to) {
  Harm worst = Harm::none;
  const auto compare = [&](const Fate& its, const Fate& old, const Fate& other) {
    if (its == old || its == other) return;
    const bool ends = its.end == Fate::End::silent || its.end == Fate::End::recorded;
    worst = std::max(worst, ends ? Harm::abort : Harm::other);
  };
  compare(seen.without_pasid, from.without_pasid, to.without_pasid);
  compare(seen.with_pasid, from.with_pasid, to.with_pasid);
  const bool eats_known = seen.eats == from.eats || seen.eats == to.eats || seen.eats == 0;
  return eats_known ? worst : Harm::other;
}

bool is_legal(const Words& words) {
  return spec::decode_ste(ste_of(words), caps).kind != spec::SteKind::bad;
}

// ---- what is read on the way --------------------------------------------------------------------

struct Stes {
  using Meaning = ste_writer_test::Meaning;
  static Meaning meaning_of(const Words& words) { return ste_writer_test::meaning_of(words); }
  static Harm harm(const Meaning& seen, const Meaning& from, const Meaning& to) {
    return ste_writer_test::harm(seen, from, to);
  }
  static u64 used_mask(unsigned w, const Words& words) {
    return spec::ste_used_mask(w, ste_of(words));
  }
  /// Fields that something depends on.
  static std::vector<u64> fields(unsigned w) {
    if (w == 0) return {config_mask, mask(0, 0)};
    if (w == 1) return {eats_mask, mev_bit, s1dss_mask};
    return {};
  }
  /// Values that neither has: without ATS, and the word 0 that aborts.
  static std::vector<u64> others(unsigned w, u64 word, u64 field) {
    if (field == eats_mask) return {word & ~field};
    return w == 0 && field == 0 ? std::vector<u64>{impl::ste::blocked} : std::vector<u64>{};
  }
};

// ---- the proof ----------------------------------------------------------------------------------

Proof prove(const Writer& writer, const World& world) {
  Proof proof;
  for (const State& a : all_states()) {
    for (const State& b : all_states()) {
      const Words from = words_of(a, world);
      const Words to = words_of(b, world);
      test::prove_pair<Stes>(writer, from, to, is_legal(from) && is_legal(to),
                             text_of(a) + " to " + text_of(b), proof);
    }
  }
  return proof;
}

using Counts = std::map<unsigned, unsigned>;

/// As the driver has them: stage 1 alone has VMID 0.
TEST(SteWriter, EachMixtureIsOldOrNewOrAPermittedAbortAndNoWayIsShorter) {
  const Proof proof = prove(impl::ste::next_step, {});
  EXPECT_TRUE(proof.wrong.empty()) << proof.wrong.size() << " " << proof.wrong.front();
  EXPECT_EQ(proof.hitless, (Counts{{0, 80}, {1, 600}, {2, 436}, {3, 8}}));
  EXPECT_EQ(proof.others, (Counts{{3, 320}}));
  EXPECT_EQ(proof.illegal, 860U);  // EATS is split where there are not both stages
}

TEST(SteWriter, SoDoThoseWithOneTableAndOneVmid) {
  for (const World& world : {World{false, false}, World{true, true}, World{false, true}}) {
    const Proof proof = prove(impl::ste::next_step, world);
    EXPECT_TRUE(proof.wrong.empty()) << proof.wrong.size() << " " << proof.wrong.front();
  }
}

/// Behind a time-out there are no steps: what is stored at once then does no more harm than an
/// abort.
TEST(SteWriter, TwoTablesOfTheDriversMayBeMixed) {
  unsigned pairs = 0;
  for (const State& a : all_states()) {
    for (const State& b : all_states()) {
      const Words from = words_of(a, {});
      const Words to = words_of(b, {});
      if (!is_legal(from) || !is_legal(to) || !impl::ste::differ_by_table(from, to)) continue;
      ++pairs;
      for (unsigned which = 0; which < 4; ++which) {
        const Meaning seen = meaning_of(mixed(from, to, which));
        EXPECT_NE(harm(seen, meaning_of(from), meaning_of(to)), Harm::other)
            << text_of(a) << " to " << text_of(b);
      }
    }
  }
  EXPECT_EQ(pairs, 36U);
}

/// The table of used bits stands twice: here, and in spec/.
RC_GTEST_PROP(SteWriter, UsedBitsAreThoseOfTheSpecification, ()) {
  const Words words{any_word() | 1, any_word(), any_word(), any_word()};
  const Words used = impl::ste::used_bits(words);
  for (unsigned w = 0; w < words.size(); ++w) {
    RC_ASSERT(used[w] == spec::ste_used_mask(w, ste_of(words)));
  }
}

// ---- twins --------------------------------------------------------------------------------------

Step never_blocked(const Words& from, const Words& to) {
  const Step step = impl::ste::next_step(from, to);
  const bool blocks = step.stored == 1 && step.words[0] == impl::ste::blocked && !step.last;
  return blocks ? Step{.stored = 0xe, .words = to, .last = false} : step;
}

/// Linux, until 2026: bits that may be either count like the others.
Step nothing_is_free(const Words& from, const Words& to) {
  const Words before = impl::ste::used_bits(from);
  const Words after = impl::ste::used_bits(to);
  unsigned critical = 0;
  for (unsigned w = 0; w < to.size(); ++w) {
    critical += ((from[w] ^ to[w]) & before[w] & after[w]) != 0 ? 1 : 0;
  }
  if (critical > 1) return {.stored = 1, .words = {impl::ste::blocked}, .last = false};
  return impl::ste::next_step(from, to);
}

Step always_blocked(const Words& from, const Words& to) {
  const bool changes = from != to && from[0] != impl::ste::blocked && to[0] != impl::ste::blocked;
  if (changes) return {.stored = 1, .words = {impl::ste::blocked}, .last = false};
  return impl::ste::next_step(from, to);
}

Step split_eats_at_once(const Words& from, const Words& to) {
  Step step = impl::ste::next_step(from, to);
  if ((step.stored & 1) != 0 && step.words[0] == to[0] && !step.last) {
    step.stored |= 2;
    step.words[1] = to[1];
    step.last = true;
  }
  return step;
}

Step word3_forgotten(const Words& from, const Words& to) {
  Step step = impl::ste::next_step(from, to);
  step.stored &= ~8u;
  return step;
}

class SteWriterTwin : public ::testing::TestWithParam<std::pair<const char*, Writer>> {};

TEST_P(SteWriterTwin, IsNoticed) {
  const World world{.own_tables = true, .one_vmid = true};
  EXPECT_FALSE(prove(GetParam().second, world).wrong.empty());
}

INSTANTIATE_TEST_SUITE_P(
    All, SteWriterTwin,
    ::testing::Values(std::pair<const char*, Writer>{"AllAtOnce", all_at_once},
                      std::pair<const char*, Writer>{"Word0First", word0_first},
                      std::pair<const char*, Writer>{"NeverBlocked", never_blocked},
                      std::pair<const char*, Writer>{"NothingIsFree", nothing_is_free},
                      std::pair<const char*, Writer>{"AlwaysBlocked", always_blocked},
                      std::pair<const char*, Writer>{"SplitEatsAtOnce", split_eats_at_once},
                      std::pair<const char*, Writer>{"Word3Forgotten", word3_forgotten}),
    [](const auto& its) { return its.param.first; });

}  // namespace
}  // namespace iommucheck::ste_writer_test
