// SPDX-License-Identifier: MIT
// The mutations of the fuzz target `litmus`: deterministic, bounded, and most mutants are tests.
#include "fuzz/mutate_lines.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <set>

#include "litmus/parser.h"
#include "litmus/random.h"

namespace iommucheck::fuzz::mutate_lines_test {
namespace {

const MutateLine nothing = [](std::string&) {};

RC_GTEST_PROP(MutateLines, any_text_stays_in_bounds, (std::string text, u64 seed)) {
  const auto size_max = *rc::gen::inRange<std::size_t>(0, 200);
  const std::string mutant = mutate_lines(text, size_max, seed, nothing);
  RC_ASSERT(mutant.size() <= size_max);
  RC_ASSERT((mutant.empty() || mutant.back() == '\n'));
  RC_ASSERT(mutate_lines(text, size_max, seed, nothing) == mutant);
}

RC_GTEST_PROP(MutateLines, crosses_are_lines_of_both, (u64 a, u64 b, u64 seed)) {
  const auto lines_of = [](const std::string& text) {
    std::multiset<std::string> lines;
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = text.find('\n', begin)) != std::string::npos;) {
      lines.insert(text.substr(begin, end - begin));
      begin = end + 1;
    }
    return lines;
  };
  const std::string first = litmus::random_text(a, 6);
  const std::string second = litmus::random_text(b, 6);
  const std::string crossed = cross_lines(first, second, 4096, seed);
  RC_ASSERT(cross_lines(first, second, 4096, seed) == crossed);
  std::multiset<std::string> pool = lines_of(first);
  pool.merge(lines_of(second));
  for (const std::string& line : lines_of(crossed)) {
    const auto at = pool.find(line);
    RC_ASSERT(at != pool.end());
    pool.erase(at);
  }
}

/// A mutator whose mutants are refused, or are all the same, explores nothing.
TEST(MutateLines, MostMutantsAreTestsAndTheyDiffer) {
  std::set<std::string> mutants;
  unsigned tests = 0;
  constexpr unsigned count = 1000;
  for (u64 seed = 0; seed < count; ++seed) {
    const std::string text = litmus::random_text(seed % 10, 6);
    const std::string mutant = mutate_lines(text, 4096, seed, nothing);
    const auto file = litmus::parse(mutant);
    if (file && !file->tests.empty()) ++tests;
    mutants.insert(mutant);
  }
  EXPECT_GT(mutants.size(), count * 8 / 10);
  EXPECT_GT(tests, count / 3);
}

TEST(MutateLines, TheLineThatNamesTheTestStays) {
  const std::string text = "test a\nrun barrier\naccess 1 0x1000 r -> P1\n";
  unsigned kept = 0;
  for (u64 seed = 0; seed < 200; ++seed) {
    if (mutate_lines(text, 4096, seed, nothing).starts_with("test a\n")) ++kept;
  }
  EXPECT_EQ(kept, 200U);
}

TEST(MutateLines, TheOtherMutatorIsAsked) {
  const MutateLine other = [](std::string& line) { line = "changed"; };
  bool asked = false;
  for (u64 seed = 0; seed < 200 && !asked; ++seed) {
    asked = mutate_lines("test a\nrun barrier\n", 4096, seed, other).contains("changed");
  }
  EXPECT_TRUE(asked);
}

}  // namespace
}  // namespace iommucheck::fuzz::mutate_lines_test
