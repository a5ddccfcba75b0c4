// SPDX-License-Identifier: MIT
// From each of 40 CDs to each: what the SMMU may read on the way, and that no way is shorter.
// IHI 0070 3.21.3, 5.4.
#include "impl/smmuv3/cd_writer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "spec/smmu/cd.h"
#include "spec/smmu/cd_legal.h"
#include "tests/explain/all_ways.h"
#include "tests/spec/random_words.h"

namespace iommucheck::cd_writer_test {
namespace {

using impl::cd::Step;
using impl::cd::Words;
using test::all_at_once;
using test::Harm;
using test::Proof;
using test::word0_first;
using test::Writer;

spec::Capabilities machine() {
  spec::Capabilities caps;
  caps.minor = 3;
  caps.s1p = caps.aarch64 = caps.asid16 = caps.hyp = caps.cd2l = caps.cohacc = true;
  caps.gran4k = caps.gran16k = caps.gran64k = caps.had = caps.e0pd = true;
  caps.stall_model = spec::StallModel::both;
  caps.httu = 2;
  caps.ssidsize = 20;
  caps.sidsize = 16;
  caps.oas_lg2 = 48;
  return caps;
}

const spec::Capabilities caps = machine();
const spec::Ste<u64> leads_there = spec::make_stage1_ste({.s1contextptr = 0x8000'0000});

spec::Cd<u64> cd_of(const Words& words) {
  spec::Cd<u64> cd;
  std::ranges::copy(words, cd.dw.begin());
  return cd;
}

// ---- the states ---------------------------------------------------------------------------------

/// `space` is one of the driver's own, `process` a table of the CPUs'.
enum class Kind : u8 {
  invalid,
  invalid_with_rest,  ///< V = 0 before the words of `space`
  space,
  under_another_asid,
  with_another_table,
  of_64_kib,  ///< another granule, and so another table
  process,
  both_halves,  ///< TTB1 as well
  quiet_space,
  quiet_process,
};
constexpr unsigned kinds = 10;
constexpr const char* names[] = {"invalid",         "invalid, with a rest", "a space",
                                 "another ASID",    "another table",        "64 KiB",
                                 "a process",       "both halves",          "quiet, a space",
                                 "quiet, a process"};

struct State {
  Kind kind{};
  bool waits = false;
  bool dirty_state = false;
};

Words words_of(const State& state) {
  constexpr u64 table = 0x9000'0000;
  const auto with = [&](u64 asid, u64 ttb0, bool shared, bool quiet) -> Words {
    const impl::cd::Kind kind = {.shared = shared,
                                 .waits = state.waits,
                                 .quiet = quiet,
                                 .dirty_state = !shared && state.dirty_state};
    const u64 mair = shared ? 0x44'bb'00'ff : impl::cd::word3;
    return {impl::cd::word0<u64>(asid, shared ? 48 : 39, 5, kind), impl::cd::word1(ttb0), 0, mair};
  };
  Words words = with(1, table, false, false);
  switch (state.kind) {
    case Kind::invalid: return {};
    case Kind::invalid_with_rest: words[0] &= ~impl::cd::valid; return words;
    case Kind::space: return words;
    case Kind::under_another_asid: return with(2, table, false, false);
    case Kind::with_another_table: return with(1, table + 0x10000, false, false);
    case Kind::of_64_kib: {
      words = with(1, table + 0x20000, false, false);
      words[0] |= u64{1} << 6;  // TG0
      return words;
    }
    case Kind::process: return with(7, 0x8800'0000, true, false);
    case Kind::both_halves: {
      words[0] &= ~impl::cd::epd1;
      words[0] |= u64{25} << 16 | u64{2} << 22 | u64{0x35} << 24;  // T1SZ, TG1 = 4 KiB, cached
      words[2] = 0xa000'0000;
      return words;
    }
    case Kind::quiet_space: return with(1, table, false, true);
    case Kind::quiet_process: return with(7, 0x8800'0000, true, true);
  }
  return words;
}

std::string text_of(const State& state) {
  return std::string(names[static_cast<u8>(state.kind)]) + (state.waits ? ", waits" : "") +
         (state.dirty_state ? ", marks" : "");
}

std::vector<State> all_states() {
  std::vector<State> all;
  for (unsigned kind = 0; kind < kinds; ++kind) {
    for (const bool waits : {false, true}) {
      for (const bool marks : {false, true}) all.push_back({static_cast<Kind>(kind), waits, marks});
    }
  }
  return all;
}

// ---- what a CD means ----------------------------------------------------------------------------

/// All that TLBs are filled by counts at once: of two CDs that walk nothing may be mixed.
struct Meaning {
  enum class End : u8 { goes_on, ends, illegal } end = End::goes_on;
  Words by{};
  friend bool operator==(const Meaning&, const Meaning&) = default;
};

struct Cds {
  using Meaning = cd_writer_test::Meaning;
  static u64 used_mask(unsigned w, const Words& words) {
    return spec::cd_used_mask(w, cd_of(words));
  }
  static Meaning meaning_of(const Words& words) {
    const spec::Cd<u64> cd = cd_of(words);
    if (!cd.v().value) return {.end = Meaning::End::ends};
    if (spec::decode_cd(cd, leads_there, caps)) return {.end = Meaning::End::illegal};
    Meaning meaning;
    for (unsigned w = 0; w < words.size(); ++w) meaning.by[w] = words[w] & used_mask(w, words);
    if (cd.epd(0).value && cd.epd(1).value && !cd.s().value) meaning.end = Meaning::End::ends;
    return meaning;
  }
  static Harm harm(const Meaning& seen, const Meaning& from, const Meaning& to) {
    if (seen == from || seen == to) return Harm::none;
    return seen.end == Meaning::End::ends ? Harm::abort : Harm::other;
  }
  static std::vector<u64> fields(unsigned w) {
    if (w != 0) return {};
    return {impl::cd::valid, impl::cd::epd0, impl::cd::epd1};
  }
  /// V = 0, and quiet ones.
  static std::vector<u64> others(unsigned w, u64 word, u64 field) {
    if (w != 0 || field != 0) return {};
    return {0, (word | impl::cd::epd0 | impl::cd::epd1) & ~mask(45, 44)};
  }
};

// ---- the proof ----------------------------------------------------------------------------------

using Counts = std::map<unsigned, unsigned>;

Proof prove(const Writer& writer) {
  Proof proof;
  for (const State& a : all_states()) {
    for (const State& b : all_states()) {
      const Words from = words_of(a);
      const Words to = words_of(b);
      EXPECT_NE(Cds::meaning_of(from).end, Meaning::End::illegal) << text_of(a);
      test::prove_pair<Cds>(writer, from, to, true, text_of(a) + " to " + text_of(b), proof);
    }
  }
  return proof;
}

TEST(CdWriter, EachMixtureIsOldOrNewOrAPermittedAbortAndNoWayIsShorter) {
  const Proof proof = prove(impl::cd::next_step);
  EXPECT_TRUE(proof.wrong.empty()) << proof.wrong.size() << " " << proof.wrong.front();
  EXPECT_EQ(proof.hitless, (Counts{{0, 116}, {1, 596}, {2, 288}}));
  EXPECT_EQ(proof.others, (Counts{{1, 32}, {2, 192}, {3, 376}}));
}

/// What the driver does while devices use a CD is one store of word 0.
TEST(CdWriter, WhatADriverDoesToALiveCdIsOneStore) {
  const State space{Kind::space};
  const State process{Kind::process};
  const std::pair<State, State> changes[] = {{space, {Kind::under_another_asid}},
                                             {space, {Kind::quiet_space}},
                                             {process, {Kind::quiet_process}},
                                             {process, {Kind::process, true}},
                                             {space, {Kind::invalid}},
                                             {process, {Kind::invalid}},
                                             {{Kind::quiet_process}, {Kind::invalid}}};
  for (const auto& [from, to] : changes) {
    const Step step = impl::cd::next_step(words_of(from), words_of(to));
    EXPECT_EQ(step.stored, impl::hitless::word0_alone) << text_of(from) << " to " << text_of(to);
    EXPECT_TRUE(step.last);
  }
}

/// The table of used bits stands twice: here, and in spec/.
RC_GTEST_PROP(CdWriter, UsedBitsAreThoseOfTheSpecification, ()) {
  const Words words{any_word(), any_word(), any_word(), any_word()};
  const Words used = impl::cd::used_bits(words);
  for (unsigned w = 0; w < words.size(); ++w) {
    RC_ASSERT(used[w] == spec::cd_used_mask(w, cd_of(words)));
  }
}

// ---- twins --------------------------------------------------------------------------------------

bool is_valid(const Words& words) { return (words[0] & impl::cd::valid) != 0; }

/// Its table first, as long as it stays valid.
Step never_invalid(const Words& from, const Words& to) {
  const Step step = impl::cd::next_step(from, to);
  const bool breaks = step.stored == 1 && !is_valid(step.words) && !step.last;
  return breaks ? Step{.stored = 0xe, .words = to, .last = false} : step;
}

Step always_invalid(const Words& from, const Words& to) {
  const bool changes = from != to && is_valid(from) && is_valid(to);
  if (changes) return {.stored = 1, .words = {}, .last = false};
  return impl::cd::next_step(from, to);
}

/// Instead of V = 0: what walks nothing still has its memory types.
Step through_quiet(const Words& from, const Words& to) {
  Step step = impl::cd::next_step(from, to);
  const bool breaks = step.stored == 1 && !is_valid(step.words) && !step.last;
  if (breaks) step.words[0] = (from[0] | impl::cd::epd0) & ~mask(45, 44);
  return step;
}

Step mair_forgotten(const Words& from, const Words& to) {
  Step step = impl::cd::next_step(from, to);
  step.stored &= ~8u;
  return step;
}

/// What a quiet one has of its table is taken for used.
Step one_step_more(const Words& from, const Words& to) {
  if (is_valid(from) && from[1] != to[1] && is_valid(to) && from[3] == to[3]) {
    return {.stored = 1, .words = {}, .last = false};
  }
  return impl::cd::next_step(from, to);
}

class CdWriterTwin : public ::testing::TestWithParam<std::pair<const char*, Writer>> {};

TEST_P(CdWriterTwin, IsNoticed) { EXPECT_FALSE(prove(GetParam().second).wrong.empty()); }

INSTANTIATE_TEST_SUITE_P(
    All, CdWriterTwin,
    ::testing::Values(std::pair<const char*, Writer>{"AllAtOnce", all_at_once},
                      std::pair<const char*, Writer>{"Word0First", word0_first},
                      std::pair<const char*, Writer>{"NeverInvalid", never_invalid},
                      std::pair<const char*, Writer>{"AlwaysInvalid", always_invalid},
                      std::pair<const char*, Writer>{"ThroughQuiet", through_quiet},
                      std::pair<const char*, Writer>{"MairForgotten", mair_forgotten},
                      std::pair<const char*, Writer>{"OneStepMore", one_step_more}),
    [](const auto& its) { return its.param.first; });

}  // namespace
}  // namespace iommucheck::cd_writer_test
