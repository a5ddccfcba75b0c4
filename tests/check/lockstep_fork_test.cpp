// SPDX-License-Identifier: MIT
// Cases that begin alike perform what they have in common once. Each is the same case as from the
// booted state on: the same events, verdicts and counts of every rule, whatever the driver is and
// whatever the cases before it left.
#include <gtest/gtest.h>

#include "report/finding_text.h"
#include "tests/check/lockstep_support.h"
#include "trace/hash.h"

namespace iommucheck::test::lockstep_fork_test {
namespace {

using oracle::Lockstep;
using oracle::Sequence;
using oracle::Statistics;

class Hashing final : public oracle::Monitor::Sink {
 public:
  void event(const trace::Event& event) override {
    ++events;
    if (events > skipped) hash_.add(event);
  }
  [[nodiscard]] u64 value() const { return hash_.value(); }
  u64 events = 0;
  u64 skipped = 0;

 private:
  trace::TraceHash hash_;
};

struct Counts {
  u64 calls = 0;
  u64 changing = 0;
  u64 outcomes = 0;
  std::array<u64, spec::rule_numbers> asked{};
  std::array<u64, spec::rule_numbers> rules{};
  std::array<u64, spec::rule_numbers> exercised{};
  friend bool operator==(const Counts&, const Counts&) = default;
};

Counts counts_of(Lockstep& lockstep) {
  const Statistics& s = lockstep.monitor().statistics();
  return {.calls = s.calls,
          .changing = s.calls_changing,
          .outcomes = s.outcomes_judged,
          .asked = s.asked,
          .rules = s.rules,
          .exercised = lockstep.monitor().caches().exercised()};
}

Counts difference(const Counts& now, const Counts& before) {
  Counts left{.calls = now.calls - before.calls,
              .changing = now.changing - before.changing,
              .outcomes = now.outcomes - before.outcomes};
  for (std::size_t i = 0; i < left.asked.size(); ++i) {
    left.asked[i] = now.asked[i] - before.asked[i];
    left.rules[i] = now.rules[i] - before.rules[i];
    left.exercised[i] = now.exercised[i] - before.exercised[i];
  }
  return left;
}

/// What a case did behind its first `skipped` events.
struct Did {
  u64 events = 0;
  u64 hash = 0;
  u64 calls = 0;
  std::string found;
  Counts counts;
  friend bool operator==(const Did&, const Did&) = default;
};

Did run(Lockstep& lockstep, const Sequence& sequence, std::size_t shared, u64 skipped) {
  Hashing sink;
  sink.skipped = skipped;
  const Counts before = counts_of(lockstep);
  lockstep.monitor().set_sink(&sink);
  lockstep.run(sequence.operations, sequence.ends, shared);
  lockstep.monitor().set_sink(nullptr);
  Did did{.events = sink.events,
          .hash = sink.value(),
          .calls = lockstep.calls_of_run(),
          .found = {},
          .counts = difference(counts_of(lockstep), before)};
  if (!lockstep.monitor().findings().empty()) {
    did.found = one_line(lockstep.monitor().findings().front());
  }
  return did;
}

struct Seen {
  u64 went_back = 0;
  u64 found = 0;
};

/// Each case of the families from a fork where there is one, and from the boot on.
void compare(const std::string& path, const oracle::LockstepOptions& options, u64 families,
             Seen& seen) {
  Booted forked(path, options);
  Booted whole(path, options);
  for (u64 number = 0; number < families * oracle::family_size; ++number) {
    const Sequence sequence = sequence_of(11, number);
    const Sequence beginning{
        .operations = {sequence.operations.begin(),
                       sequence.operations.begin() + static_cast<std::ptrdiff_t>(sequence.shared)},
        .ends = {}};
    const Did first = run(*whole.lockstep, beginning, 0, 0);
    Did expected = run(*whole.lockstep, sequence, 0, 0);
    Did did = run(*forked.lockstep, sequence, sequence.shared, 0);
    seen.found += expected.found.empty() ? 0 : 1;
    if (did.events == expected.events) {  // it made the fork, or there is none
      ASSERT_EQ(did, expected) << number;
      continue;
    }
    ++seen.went_back;
    ASSERT_TRUE(first.found.empty()) << number;
    // The events that the ends of `beginning` would add are none: the ends are off. What waits at
    // its end is no reason to differ either, since nothing waits at a fork.
    const u64 skipped = expected.events - did.events;
    const Did again = run(*whole.lockstep, sequence, 0, skipped);
    ASSERT_EQ(did.hash, again.hash) << number;
    ASSERT_EQ(did.found, expected.found) << number;
    ASSERT_EQ(did.calls, expected.calls) << number;
    ASSERT_EQ(did.counts.calls + first.counts.calls, expected.counts.calls) << number;
    ASSERT_EQ(did.counts, difference(expected.counts, first.counts)) << number;
  }
}

TEST(LockstepFork, ACaseFromAForkIsTheCaseFromTheBoot) {
  Seen seen;
  compare({}, {}, 150, seen);
  EXPECT_GT(seen.went_back, 300U);
  EXPECT_EQ(seen.found, 0U);
}

TEST(LockstepFork, OnDrawnMachines) {
  Seen seen;
  for (u64 seed = 1; seed <= 6; ++seed) {
    oracle::LockstepOptions options;
    options.machine = oracle::drawn_machine(seed);
    try {
      Booted tried({}, options);
    } catch (const std::runtime_error&) {
      continue;  // a machine that the driver is not for
    }
    compare({}, options, 25, seen);
  }
  EXPECT_GT(seen.went_back, 100U);
}

TEST(LockstepFork, WrongDriversAreFoundWrongAlike) {
  for (const auto* names : {&twins(), &process_twins()}) {
    Seen seen;
    for (const std::string& name : *names) compare(museum(name), {}, 40, seen);
    EXPECT_GT(seen.went_back, 100U);
    EXPECT_GT(seen.found, 10U);
  }
}

// A family has in common what it says, and no more.
TEST(LockstepFork, FamiliesBeginAlike) {
  u64 differ = 0;
  for (u64 number = 0; number < 400; ++number) {
    const Sequence one = sequence_of(3, number);
    const Sequence first = sequence_of(3, number - number % oracle::family_size);
    ASSERT_EQ(one.shared, first.shared);
    ASSERT_EQ(one.operations.size(), first.operations.size());
    ASSERT_TRUE(std::equal(one.operations.begin(),
                           one.operations.begin() + static_cast<std::ptrdiff_t>(one.shared),
                           first.operations.begin()));
    differ += one.operations != first.operations ? 1 : 0;
    ASSERT_NE(one.operations, sequence_of(3, number + oracle::family_size).operations) << number;
  }
  EXPECT_GT(differ, 250U);
}

}  // namespace
}  // namespace iommucheck::test::lockstep_fork_test
