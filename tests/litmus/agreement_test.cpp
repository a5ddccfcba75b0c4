// SPDX-License-Identifier: MIT
// Two readings of docs/semantics.md: the specification's engine and the literal model must agree
// on every set and every broken rule, on random small tests and on the files.
#include "litmus/agreement.h"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>

#include "litmus/parser.h"
#include "litmus/random.h"
#include "litmus/words.h"
#include "tests/cases.h"
#include "tests/number_from.h"
#include "tests/places.h"

namespace iommucheck::litmus::agreement_test {
namespace {

using TestCase = iommucheck::litmus::Test;

std::vector<TestCase> tests_of_the_files() {
  std::vector<TestCase> tests;
  for (const auto& entry : std::filesystem::directory_iterator(test::in_tree("litmus/files"))) {
    if (entry.path().extension() != ".litmus") continue;
    const auto file = parse_file(entry.path().string());
    EXPECT_TRUE(file) << file.error().message;
    if (file) tests.insert(tests.end(), file->tests.begin(), file->tests.end());
  }
  return tests;
}

/// Of both readings, over tests that `make(seed, size)` draws. What is explained away stays the
/// exception: at most `known_max(cases)`.
template <class Make, class Most>
void expect_agreement(const Make& make, const Most& known_max, u64 judged_of_10 = 9) {
  const u64 first = test::number_from("IOMMUCHECK_LITMUS_SEED", 0);
  const u64 cases = test::number_from("IOMMUCHECK_LITMUS_CASES", 1200);
  u64 judged = 0;
  u64 known = 0;
  u64 different = 0;
  for (u64 seed = first; seed < first + cases; ++seed) {
    const auto test = make(seed, static_cast<unsigned>(2 + seed % 7));
    const auto comparison = compare_readings(test);
    ASSERT_TRUE(comparison) << comparison.error().message;
    if (comparison->agreement == Agreement::not_compared) continue;
    ++judged;
    if (comparison->agreement == Agreement::known) ++known;
    if (comparison->agreement != Agreement::disagree) continue;
    ++different;
    if (different <= 10) {
      ADD_FAILURE() << "seed " << seed << "\n" << print(test) << comparison->words;
    }
  }
  EXPECT_EQ(different, 0U) << "of " << judged;
  EXPECT_GT(judged, cases * judged_of_10 / 10);
  EXPECT_LE(known, known_max(cases)) << "of " << judged;
}

TEST(LitmusAgreement, OnRandomTests) {
  expect_agreement(random_test, [](u64 cases) { return 1 + cases / 1000; });
}

/// Streams that stage 2 alone translates, with and without one of stage 1 beside them.
TEST(LitmusAgreement, OnRandomTestsOfStage2) {
  expect_agreement(random_stage2_test, [](u64 cases) { return 2 + cases / 200; });
}

/// EL2 and EL2-E2H. Where CR2.E2H changes under what is cached the literal model alone judges.
TEST(LitmusAgreement, OnRandomTestsOfEl2) {
  expect_agreement(random_el2_test, [](u64 cases) { return 2 + cases / 200; }, 7);
}

/// Tables of 16 and 64 KiB at either stage, and pages that are tables of several granules.
TEST(LitmusAgreement, OnRandomTestsOfGranules) {
  expect_agreement(random_granule_test, [](u64 cases) { return 2 + cases / 200; });
}

/// The test on a device that lacks some kinds of cache, by its seed.
TestCase lacking(TestCase test, u64 seed) {
  const u64 drawn = seed * 0x9e37'79b9'7f4a'7c15;
  const u64 lacks = drawn >> 40 & 0x3f;
  for (std::size_t i = 0; i < lacks_words.size(); ++i) {
    if ((lacks >> i & 1) == 0) continue;
    test.init.push_back({.what = LacksLine{static_cast<Lack>(i)}, .place = {}});
  }
  return test;
}

/// Each of the above where not all caches are there that there may be.
TEST(LitmusAgreement, OnDevicesThatLackCaches) {
  const auto known_max = [](u64 cases) { return 2 + cases / 200; };
  expect_agreement([](u64 seed, unsigned size) { return lacking(random_test(seed, size), seed); },
                   known_max);
  expect_agreement(
      [](u64 seed, unsigned size) { return lacking(random_stage2_test(seed, size), seed); },
      known_max);
  expect_agreement(
      [](u64 seed, unsigned size) { return lacking(random_el2_test(seed, size), seed); }, known_max,
      7);
}

/// The tests of the files, whose sets are others where one kind is not there.
TEST(LitmusAgreement, OnTheFilesWithoutACache) {
  std::array<unsigned, lacks_words.size()> changed{};
  for (const TestCase& test : test::part_in_this_run(tests_of_the_files(), 2)) {
    const auto all = read_by_engine(test);
    for (std::size_t i = 0; i < lacks_words.size(); ++i) {
      TestCase lacking = test;
      lacking.init.push_back({.what = LacksLine{static_cast<Lack>(i)}, .place = {}});
      const auto comparison = compare_readings(lacking);
      ASSERT_TRUE(comparison) << test.name << ": " << comparison.error().message;
      EXPECT_NE(comparison->agreement, Agreement::disagree)
          << test.name << " lacks " << lacks_words[i] << "\n"
          << comparison->words;
      const auto narrowed = read_by_engine(lacking);
      if (!all || !narrowed || !all->unsupported.empty()) continue;
      changed[i] += all->allowed != narrowed->allowed ? 1 : 0;
    }
  }
  for (std::size_t i = 0; i < lacks_words.size(); ++i) {
    const auto what = static_cast<Lack>(i);
    if (what == Lack::combined_entries) {
      EXPECT_LT(changed[i], 5U);
      continue;
    }
    // Half of the files: half of them, with room for chance.
    EXPECT_GE(changed[i], what == Lack::untagged_atc_inv ? 1U : 2U) << lacks_words[i];
  }
}

/// STEs that state a span, alike or not.
TEST(LitmusAgreement, OnRandomTestsOfSpans) {
  expect_agreement(random_span_test, [](u64 cases) { return 2 + cases / 200; }, 7);
}

/// The random test that shows where the engine allows more (docs/semantics.md, 6).
TEST(LitmusAgreement, TheSeedThatIsExplained) {
  const u64 seed = 71301;
  const auto comparison = compare_readings(random_test(seed, 2 + seed % 7));
  ASSERT_TRUE(comparison) << comparison.error().message;
  EXPECT_EQ(comparison->agreement, Agreement::known) << comparison->words;
}

/// Likewise with a register in the place of the store: the STE of the ATC entry lives as CFGI_ALL
/// acted late, ATSCHK = 0 as it acted early.
TEST(LitmusAgreement, TheRegisterBetweenTwoRings) {
  const auto file = parse(R"(test register_between_rings
init use std
init ste 1 cfg=s1 cd=C1 eats=1
init ats 1
run store ste 1 eats=0
run cmd CFGI_ALL
run ring
run reg atschk 1
run do ATC_INV 1 va=0x1000 size=0
access 1 0x1000 r ats ->
)",
                          "register_between_rings");
  ASSERT_TRUE(file) << file.error().message;
  const auto comparison = compare_readings(file->tests[0]);
  ASSERT_TRUE(comparison) << comparison.error().message;
  EXPECT_EQ(comparison->agreement, Agreement::known) << comparison->words;
}

TEST(LitmusAgreement, OnTheFiles) {
  for (const TestCase& test : tests_of_the_files()) {
    const auto comparison = compare_readings(test);
    ASSERT_TRUE(comparison) << test.name << ": " << comparison.error().message;
    EXPECT_NE(comparison->agreement, Agreement::known) << test.name << comparison->words;
    EXPECT_NE(comparison->agreement, Agreement::disagree) << test.name << "\n" << comparison->words;
  }
}

// ---- broken twins: an engine that is wrong must be noticed ----

/// What `broken` says of the tests of the files: in how many it is noticed, and no more than
/// `enough` are looked for.
unsigned noticed(const Reading& broken, unsigned enough = 21) {
  unsigned count = 0;
  for (const TestCase& test : tests_of_the_files()) {
    if (count == enough) break;
    const auto comparison = compare_readings(test, bounds_of_fuzzing, broken);
    if (comparison && comparison->agreement == Agreement::disagree) ++count;
  }
  return count;
}

/// The engine's reading of the test without the steps that `drop` says.
Reading without(const std::function<bool(const Step&)>& drop) {
  return [drop](TestCase test) {
    std::erase_if(test.run, drop);
    return read_by_engine(test);
  };
}

TEST(LitmusAgreementTwins, AnEngineThatSeesNoBarriers) {
  EXPECT_GT(noticed(without([](const Step& step) {
                      return std::holds_alternative<BarrierStep>(step.what);
                    }),
                    1),
            0U);
}

TEST(LitmusAgreementTwins, AnEngineThatForgetsInvalidations) {
  EXPECT_GT(
      noticed(without([](const Step& step) { return std::holds_alternative<DoStep>(step.what); })),
      20U);
}

TEST(LitmusAgreementTwins, AnEngineThatAllowsTooLittle) {
  const Reading narrow = [](const TestCase& test) {
    auto judgement = read_by_engine(test);
    if (!judgement) return judgement;
    for (auto& allowed : judgement->allowed) {
      if (allowed.size() > 1) allowed.erase(allowed.begin());
    }
    return judgement;
  };
  EXPECT_GT(noticed(narrow), 20U);
}

/// An engine that takes one kind of cache away where another one is stated not to be there.
TEST(LitmusAgreementTwins, AnEngineThatLacksAnother) {
  for (const auto& [stated, taken] :
       {std::pair{Lack::config_cache, Lack::tlb}, std::pair{Lack::walk_cache, Lack::tlb},
        std::pair{Lack::tlb, Lack::walk_cache}, std::pair{Lack::walk_cache, Lack::config_cache},
        std::pair{Lack::tlb, Lack::config_cache}, std::pair{Lack::reset_caches, Lack::tlb},
        std::pair{Lack::untagged_atc_inv, Lack::config_cache}}) {
    const Reading wrong = [stated, taken](TestCase test) {
      for (InitLine& line : test.init) {
        auto* lacks = std::get_if<LacksLine>(&line.what);
        if (lacks != nullptr && lacks->which == stated) lacks->which = taken;
      }
      return read_by_engine(test);
    };
    EXPECT_GT(noticed(wrong, 1), 0U) << lacks_words[static_cast<std::size_t>(stated)] << " as "
                                     << lacks_words[static_cast<std::size_t>(taken)];
  }
}

TEST(LitmusAgreementTwins, AnEngineThatBlamesNobody) {
  const Reading mild = [](const TestCase& test) {
    auto judgement = read_by_engine(test);
    if (judgement) judgement->broken.clear();
    return judgement;
  };
  EXPECT_GT(noticed(mild), 20U);
}

}  // namespace
}  // namespace iommucheck::litmus::agreement_test
