// SPDX-License-Identifier: MIT
// The frame must not say "proved" too easily: each way in which a proof can be empty or wrong.
#include "proofs/judge.h"

#include <gtest/gtest.h>

namespace iommucheck::proofs::frame_test {
namespace {

/// A statement that needs both branches: max(a, b) >= a.
struct Maximum {
  bool broken = false;
  bool contradictory = false;
  bool late_assumption = false;
  template <class Proof>
  void operator()(Proof& proof) const {
    using W = typename Proof::W;
    const W a = proof.variable("a"), b = proof.variable("b");
    if (contradictory) proof.assume(less(a, b) & less(b, a));
    W larger = b;
    if (less(b, a)) larger = broken ? b : a;
    if (late_assumption) proof.assume(less(a, b));
    proof.claim("at least a", less_equal(a, larger));
  }
};

Property maximum(Maximum body, unsigned paths = 2,
                 std::vector<std::string> labels = {"at least a"}) {
  return make_property("maximum", "max(a, b) >= a.", std::move(labels), paths, body);
}

ProofResult run(const Property& p, Limits limits = {}) { return judge(p, limits); }

TEST(Frame, ProvesWhatHolds) {
  const ProofResult r = run(maximum({}));
  EXPECT_EQ(r.verdict, Verdict::proved) << r.reason;
  EXPECT_EQ(r.paths, 2u);
}

TEST(Frame, RefutesWithValuesThatFailWhenRun) {
  const ProofResult r = run(maximum({.broken = true}));
  ASSERT_EQ(r.verdict, Verdict::refuted) << r.reason;
  EXPECT_EQ(r.reason, "at least a");
  EXPECT_GT(r.counterexample.at("a"), r.counterexample.at("b"));
}

TEST(Frame, ContradictoryAssumptionsProveNothing) {
  const ProofResult r = run(maximum({.contradictory = true}, 1));
  EXPECT_EQ(r.verdict, Verdict::unknown);
  EXPECT_NE(r.reason.find("assumptions cannot be met"), std::string::npos) << r.reason;
}

TEST(Frame, AssumptionsBelongBeforeTheFirstBranch) {
  const ProofResult r = run(maximum({.late_assumption = true}));
  EXPECT_EQ(r.verdict, Verdict::unknown);
  EXPECT_NE(r.reason.find("after the first branch"), std::string::npos) << r.reason;
}

TEST(Frame, AnotherNumberOfPathsIsNoProof) {
  EXPECT_EQ(run(maximum({}, 3)).verdict, Verdict::unknown);
  EXPECT_EQ(run(maximum({}, 1)).verdict, Verdict::unknown);
}

TEST(Frame, LabelsHaveToBeReached) {
  EXPECT_EQ(run(maximum({}, 2, {"at least a", "never claimed"})).verdict, Verdict::unknown);
  EXPECT_EQ(run(maximum({}, 2, {})).verdict, Verdict::unknown);
}

TEST(Frame, TheBoundOnPathsGivesUp) {
  const ProofResult r = run(maximum({}), {.max_paths = 1});
  EXPECT_EQ(r.verdict, Verdict::unknown);
  EXPECT_NE(r.reason.find("more than 1 paths"), std::string::npos) << r.reason;
}

/// (a * b) by shifts equals (b * a): hard for bits, so that a small limit is hit.
struct Hard {
  template <class Proof>
  void operator()(Proof& proof) const {
    using W = typename Proof::W;
    const W a = proof.variable("a"), b = proof.variable("b");
    const auto product = [](W x, W y) {
      W sum{0};
      for (unsigned i = 0; i < 24; ++i) sum = sum + select(flag(y, i), x << i, W(0));
      return sum;
    };
    proof.assume(less(a, W(1 << 24)) & less(b, W(1 << 24)));
    proof.claim("commutes", equal(product(a, b), product(b, a)));
  }
};

TEST(Frame, AResourceLimitIsUnknownWithItsReason) {
  const Property hard = make_property("hard", "a * b = b * a.", {"commutes"}, 1, Hard{});
  const ProofResult r = run(hard, {.rlimit = 20'000});
  EXPECT_EQ(r.verdict, Verdict::unknown);
  EXPECT_NE(r.reason.find("not decided: claim commutes"), std::string::npos) << r.reason;
}

TEST(Frame, ACounterexampleThatDoesNotFailWhenRunIsNoRefutation) {
  Property p = maximum({.broken = true});
  p.executed = [](Replay& replay) { Maximum{}(replay); };  // the readings differ
  const ProofResult r = run(p);
  EXPECT_EQ(r.verdict, Verdict::unknown);
  EXPECT_NE(r.reason.find("does not fail when run"), std::string::npos) << r.reason;
}

/// Each operation of the symbolic word means what it means on 64-bit integers.
struct Operations {
  template <class Proof>
  void operator()(Proof& proof) const {
    using W = typename Proof::W;
    const W a = proof.variable("a"), b = proof.variable("b"), expected = proof.variable("x");
    proof.assume(equal(a, W(a0)) & equal(b, W(b0)) & equal(expected, W(x0)));
    const W results[] = {a + b,
                         a - b,
                         a & b,
                         a | b,
                         a ^ b,
                         ~a,
                         a << n,
                         a >> n,
                         shift_left(a, b),
                         shift_right(a, b),
                         select(less(a, b), a, b),
                         select(less_equal(a, b), a, b),
                         select(equal(a, b), a, W(0)),
                         select(flag(a, n) & !flag(b, n), a, b),
                         select(flag(a, n) | flag(b, n), a, b)};
    W hash{0};
    for (const W& r : results) hash = (hash << 5) + (hash >> 3) + r;
    proof.claim("agrees", equal(hash, expected));
  }
  u64 a0, b0, x0;
  unsigned n;
};

u64 expected_of(u64 a, u64 b, unsigned n) {
  const u64 results[] = {a + b,
                         a - b,
                         a & b,
                         a | b,
                         a ^ b,
                         ~a,
                         a << n,
                         a >> n,
                         shift_left(a, b),
                         shift_right(a, b),
                         a < b ? a : b,
                         a <= b ? a : b,
                         a == b ? a : 0,
                         bit(a, n) && !bit(b, n) ? a : b,
                         bit(a, n) || bit(b, n) ? a : b};
  u64 hash = 0;
  for (const u64 r : results) hash = (hash << 5) + (hash >> 3) + r;
  return hash;
}

TEST(Frame, OperationsAgreeWithIntegers) {
  const u64 values[] = {0, 1, 5, 63, 64, 0x8000'0000'0000'0000, ~u64{0}, 0x1234'5678'9abc'def0};
  for (const u64 a : values) {
    for (const u64 b : values) {
      const Operations body{a, b, expected_of(a, b, 7), 7};
      const Property right = make_property("ops", "", {"agrees"}, 1, body);
      EXPECT_EQ(run(right).verdict, Verdict::proved) << a << " " << b << " " << run(right).reason;
      const Operations off{a, b, expected_of(a, b, 7) + 1, 7};
      EXPECT_EQ(run(make_property("ops", "", {"agrees"}, 1, off)).verdict, Verdict::refuted);
    }
  }
}

}  // namespace
}  // namespace iommucheck::proofs::frame_test
