// SPDX-License-Identifier: MIT
// The oracle's short cuts have the verdict of what they stand for: a window's check that of one at
// each store, the check of what changed that of everything.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "report/finding_text.h"
#include "tests/check/lockstep_support.h"

namespace iommucheck::test::lockstep_properties_test {
namespace {

using oracle::Lockstep;

std::string verdict_of(Lockstep& lockstep) {
  const auto& findings = lockstep.monitor().findings();
  if (lockstep.monitor().gave_up()) return "gave up";
  return findings.empty() ? "holds" : std::string(spec::rule_name(findings.front().rule));
}

/// Cases of which the two locksteps' verdicts are compared; how many did not hold.
u64 compare_windows_with_stores(const std::string& path, u64 seed, u64 cases) {
  Booted by_window(path);
  Booted by_store(path);
  by_store->monitor().probe_each_store(true);
  u64 broken = 0;
  for (u64 i = 0; i < cases; ++i) {
    const auto sequence = sequence_of(seed, i);
    by_window->run(sequence.operations, sequence.ends);
    by_store->run(sequence.operations, sequence.ends);
    const std::string window = verdict_of(*by_window.lockstep);
    const std::string store = verdict_of(*by_store.lockstep);
    EXPECT_EQ(window == "holds", store == "holds")
        << path << ", case " << i << ": " << window << " by window, " << store << " by store";
    if (window != "holds") ++broken;
  }
  return broken;
}

RC_GTEST_PROP(LockstepProperties, AWindowHasTheVerdictOfItsStores, (u64 seed)) {
  static Booted by_window;
  static Booted by_store;
  by_store->monitor().probe_each_store(true);
  const auto sequence = sequence_of(seed, 0);
  by_window->run(sequence.operations, sequence.ends);
  by_store->run(sequence.operations, sequence.ends);
  RC_ASSERT(verdict_of(*by_window.lockstep) == verdict_of(*by_store.lockstep));
}

TEST(LockstepProperties, AWindowHasTheVerdictOfItsStoresForTwinsToo) {
  u64 total = 0;
  for (const std::string& twin : twins()) {
    const u64 broken = compare_windows_with_stores(museum(twin), 3, 420);
    total += broken;
  }
  EXPECT_GT(total, 100U);
}

/// A descriptor that goes and comes back before anything else happens: of what was between nothing
/// is left, neither in memory nor in caches.
TEST(LockstepProperties, WhatIsClearedAndRestoredIsSeenByWindowsToo) {
  for (const char* twin : {"neighbour_leaf_restored", "table_pointer_restored"}) {
    EXPECT_GT(compare_windows_with_stores(museum(twin), 3, 150), 0U) << twin;
  }
}

RC_GTEST_PROP(LockstepProperties, ChangesHaveTheVerdictOfTheWholeSpace, (u64 seed)) {
  static Booted driver;
  const auto sequence = sequence_of(seed, 1);
  driver->run(sequence.operations, {});
  RC_ASSERT(verdict_of(*driver.lockstep) == "holds");
  driver->monitor().check_whole_space();
  RC_ASSERT(verdict_of(*driver.lockstep) == "holds");
}

TEST(LockstepProperties, ChangesHaveTheVerdictOfTheWholeSpaceForTwinsToo) {
  for (const std::string& twin : twins()) {
    Booted driver(museum(twin));
    u64 held = 0;
    for (u64 i = 0; i < 300; ++i) {
      // Cut where the first finding comes: up to there both have to be content.
      const auto sequence = sequence_of(11, i);
      driver->run(sequence.operations, {});
      if (verdict_of(*driver.lockstep) != "holds") continue;
      ++held;
      driver->monitor().check_whole_space();
      ASSERT_EQ(verdict_of(*driver.lockstep), "holds")
          << twin << ", case " << i << ": " << one_line(driver->monitor().findings().front());
    }
    EXPECT_GT(held, 0U) << twin;
  }
}

/// The first sequence after which a translation of memory is in use.
u64 address_of_a_leaf(Lockstep& lockstep, u64 seed) {
  for (u64 i = 0; i < 100; ++i) {
    lockstep.run(sequence_of(seed, i).operations, {});
    u64 place = 0;
    lockstep.monitor().caches().lookups().for_each_translation(
        [&](u32, const spec::Candidate& candidate) {
          if (candidate.kind == spec::Candidate::Kind::leaf) place = candidate.origin;
        });
    if (place != 0) return place;
  }
  return 0;
}

TEST(LockstepProperties, TheWholeSpaceCheckSeesWhatNoEventTold) {
  u64 seen = 0;
  for (u64 seed = 5; seed < 15; ++seed) {
    Booted driver;
    const u64 place = address_of_a_leaf(*driver.lockstep, seed);
    ASSERT_NE(place, 0U);
    spec::Caches& caches = driver->monitor().caches();
    // Behind the monitor's back: cleared, and its change forgotten.
    caches.store(AgentId::cpu0, place, 0);
    caches.barrier(AgentId::cpu0);
    caches.dirty().clear();
    caches.dirty_streams().clear();
    EXPECT_EQ(verdict_of(*driver.lockstep), "holds") << seed;
    driver->monitor().check_whole_space();
    // A process's page, or one that is being unmapped, may be gone.
    const std::string verdict = verdict_of(*driver.lockstep);
    if (verdict == "holds") continue;
    EXPECT_EQ(verdict, "PROMISE_OUTCOME") << seed;
    ++seen;
  }
  EXPECT_GE(seen, 3U);
}

TEST(LockstepProperties, EveryNumberMakesTheSameSequenceAgain) {
  for (u64 n : {u64{0}, u64{1}, ~u64{0}}) {
    EXPECT_EQ(sequence_of(1, n).operations, sequence_of(1, n).operations);
    EXPECT_NE(sequence_of(1, n).operations, sequence_of(2, n).operations);
    EXPECT_NE(sequence_of(1, n).operations, sequence_of(1, n + 1).operations);
  }
  u64 whole = 0, teardown = 0, with_failure = 0, teardown_behind_failure = 0;
  for (u64 n = 0; n < 6400; ++n) {
    const auto sequence = sequence_of(9, n, 5);
    ASSERT_GE(sequence.operations.size(), 1U);
    ASSERT_LE(sequence.operations.size(), 5U);
    whole += sequence.ends.whole_space ? 1 : 0;
    const bool fails = std::ranges::any_of(sequence.operations, [](const auto& operation) {
      return operation.fail != 0 && operation.fail <= fuzz::fail_max;
    });
    with_failure += fails ? 1 : 0;
    (fails ? teardown_behind_failure : teardown) += sequence.ends.teardown ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(whole), 100, 60);
  const auto share = [](u64 part, u64 all) {
    return static_cast<double>(part) / static_cast<double>(all);
  };
  EXPECT_NEAR(share(teardown, 6400 - with_failure), 1.0 / 16, 0.02);
  EXPECT_NEAR(share(teardown_behind_failure, with_failure), 0.53, 0.1);
}

TEST(LockstepProperties, HalfOfTheCallsChangeSomething) {
  Booted driver;
  for (u64 i = 0; i < 500; ++i) driver->run(sequence_of(1, i).operations, {});
  const auto& statistics = driver->monitor().statistics();
  EXPECT_GE(statistics.calls_changing * 2, statistics.calls);
  EXPECT_GE(driver->calls_succeeded(), statistics.calls_changing);
}

}  // namespace
}  // namespace iommucheck::test::lockstep_properties_test
