// SPDX-License-Identifier: MIT
// What guides a campaign: what was rare is gone on with, and all of it follows from the seed, the
// part and what its sequences did before their first finding.
#include "check/guide.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/clock.h"
#include "check/alone.h"
#include "check/campaign.h"
#include "check/case_source.h"
#include "check/check.h"
#include "check/guided.h"
#include "check/mix.h"
#include "tests/check/lockstep_support.h"

namespace iommucheck::test {
namespace {

using oracle::CaseSource;
using oracle::CheckOptions;
using oracle::Guide;
using oracle::MachinePlan;
using oracle::Sequence;
using testing::AllOf;
using testing::Gt;
using testing::Lt;

constexpr u32 operations_max = 20;

Guide new_guide() {
  auto guide = Guide::create();
  if (!guide) throw std::runtime_error(guide.error().message);
  return std::move(*guide);
}

/// A sequence of `count` operations that is told apart by its first one.
Sequence numbered(u64 number, std::size_t count) {
  Sequence sequence = sequence_of(1, number, operations_max);
  sequence.operations.resize(count);
  sequence.operations.front() = {.kind = fuzz::OperationKind::access,
                                 .device = static_cast<u16>(number % 4),
                                 .page = static_cast<u16>(number / 4 % 32)};
  sequence.ends = {.whole_space = number % 2 == 0, .teardown = number % 3 == 0};
  return sequence;
}

TEST(Guide, KeepsWhatWasMade) {
  Guide guide = new_guide();
  EXPECT_EQ(guide.made(), 0U);
  for (u64 n = 0; n < Guide::part_size; ++n) guide.add(numbered(n, 1 + n % operations_max));
  EXPECT_EQ(guide.made(), Guide::part_size);
  guide.add(numbered(0, 1));
  EXPECT_EQ(guide.made(), Guide::part_size) << "it is full";
  Sequence back;
  for (const u64 n : {u64{0}, u64{7}, Guide::part_size - 1}) {
    guide.sequence(n, back);
    const Sequence made = numbered(n, 1 + n % operations_max);
    EXPECT_EQ(back.operations, made.operations) << n;
    EXPECT_EQ(back.ends.whole_space, made.ends.whole_space);
    EXPECT_EQ(back.ends.teardown, made.ends.teardown);
  }
}

TEST(Guide, NotesOnlyWhereItIsTold) {
  Guide guide = new_guide();
  guide.add(numbered(0, 5));
  guide.note(1, 2);
  EXPECT_EQ(guide.count(), 0U);
  guide.enter(0);
  guide.note(1, 2);
  guide.note(1, 3);
  guide.leave();
  guide.note(2, 2);
  EXPECT_EQ(guide.count(), 1U);
  EXPECT_EQ(guide.begun(), 1U);
}

TEST(Guide, WhatIsRareIsChosenMoreOften) {
  Guide guide = new_guide();
  for (u64 n = 0; n < 400; ++n) guide.add(numbered(n, 10));
  for (u64 n = 0; n < 400; ++n) {
    guide.enter(n);
    guide.note(1, 4);                // each family
    if (n == 100) guide.note(2, 6);  // one
    guide.leave();
  }
  SplitMix64 words(1);
  std::size_t rare = 0;
  for (int n = 0; n < 20; ++n) {
    const auto its = guide.rare(words);
    ASSERT_TRUE(its);
    if (its->place == 100 && its->operations == 6) ++rare;
  }
  EXPECT_GT(rare, 15U);
  for (int n = 0; n < 2000; ++n) (void)guide.rare(words);
  rare = 0;
  for (int n = 0; n < 100; ++n) rare += guide.rare(words)->place == 100 ? 1U : 0U;
  EXPECT_THAT(rare, AllOf(Gt(20U), Lt(80U))) << "what was chosen often is rare no longer";
}

TEST(Guide, AFamilyCountsOnceAndTheShortestWayIsKept) {
  Guide guide = new_guide();
  for (u64 n = 0; n < 8; ++n) guide.add(numbered(n, 10));
  for (u64 n = 0; n < 4; ++n) {
    guide.enter(n);
    guide.note(1, 5);
    guide.leave();
  }
  SplitMix64 words(1);
  EXPECT_EQ(guide.rare(words)->place, 0U) << "who showed it first";
  guide.enter(5);
  guide.note(1, 3);
  guide.leave();
  const auto shorter = guide.rare(words);
  EXPECT_EQ(shorter->place, 5U);
  EXPECT_EQ(shorter->operations, 3U);
}

/// The sequences of a part, each run by our driver.
std::vector<std::vector<fuzz::Operation>> run_part(u64 seed, u64 count) {
  CheckOptions options;
  options.seed = seed;
  Guide guide = new_guide();
  const auto plan = MachinePlan::parse("default", seed);
  const CaseSource source(options, *plan, &guide);
  Booted booted;
  booted->set_guide(&guide);
  std::vector<std::vector<fuzz::Operation>> made;
  for (u64 n = 0; n < count; ++n) {
    Sequence sequence;
    source.make(n, sequence);
    guide.enter(n);
    booted->run(sequence.operations, sequence.ends, sequence.shared);
    guide.leave();
    made.push_back(sequence.operations);
  }
  EXPECT_GT(guide.count(), 200U);
  return made;
}

TEST(Guide, MostFamiliesBehindTheFirstOnesGoOnWithWhatWasRare) {
  constexpr u64 first = Guide::part_size / 4, count = first + 300;
  const auto made = run_part(3, count);
  EXPECT_EQ(run_part(3, count), made) << "of the seed alone";
  u64 random = 0, begun_alike = 0;
  for (u64 n = 0; n < count; ++n) {
    const bool is_random = made[n] == sequence_of(3, n).operations;
    if (n < first) {
      EXPECT_TRUE(is_random) << n;
      continue;
    }
    random += is_random ? 1U : 0U;
    // It begins as one before it did.
    const auto before = std::span(made).first(n - n % oracle::family_size);
    const auto alike = [&](const auto& other) { return other[0] == made[n][0]; };
    begun_alike += !is_random && std::ranges::any_of(before, alike) ? 1U : 0U;
  }
  constexpr u64 rest = count - first;
  EXPECT_THAT(random, AllOf(Gt(rest / 5), Lt(rest / 2)));
  EXPECT_GT(begun_alike, (rest - random) * 9 / 10);
}

/// Memory that a driver has written over holds sequences as well.
TEST(Guide, OfDamagedMemoryGivesSequences) {
  Guide guide = new_guide();
  Sequence none;
  guide.sequence(Guide::part_size + 5, none);
  EXPECT_TRUE(none.operations.empty());
  SplitMix64 words(1);
  EXPECT_FALSE(guide.rare(words));
}

/// Every sequence that a campaign runs, in its order.
class Collector final : public oracle::Campaign::Owner {
 public:
  bool stop() override { return false; }
  void begins(u64 number, const Sequence& sequence, oracle::Campaign::Phase phase) override {
    if (phase != oracle::Campaign::Phase::running) return;
    numbers.push_back(number);
    operations.push_back(sequence.operations);
  }
  void progress(const oracle::Tally& tally, u64 /*next*/) override { sequences = tally.sequences; }
  void found(oracle::Violation violation) override { keys.push_back(oracle::key_of(violation)); }
  void gave_up(oracle::GaveUp /*gave_up*/) override {}

  std::vector<u64> numbers, keys;
  std::vector<std::vector<fuzz::Operation>> operations;
  u64 sequences = 0;
};

Collector run_campaign(const CheckOptions& options) {
  auto loaded = oracle::load_plugin(options.driver);
  if (!loaded) throw std::runtime_error(loaded.error().message);
  Guide guide = new_guide();
  oracle::Campaign::Settings settings;
  settings.options = &options;
  settings.started = Clock::now();
  settings.from = settings.seen_from = options.first_sequence;
  settings.guide = &guide;
  Collector owner;
  oracle::Campaign campaign(loaded->driver(), loaded->segments.get(), settings, owner);
  if (!campaign.boot() || !campaign.run()) throw std::runtime_error("the campaign ends early");
  return owner;
}

/// What is known is passed over, and the sequences behind it are the same ones.
TEST(Guide, DoesNotSeeWhatIsKnown) {
  CheckOptions options;
  options.driver = museum("tlbi_wrong_asid");
  options.machine = "default";
  options.seed = 2;
  options.sequences = Guide::part_size / 4 + 100;
  options.findings_max = 1000;
  options.shrink = false;
  const Collector one = run_campaign(options);
  ASSERT_GE(one.keys.size(), 2U);
  options.told = one.keys;
  const Collector other = run_campaign(options);
  EXPECT_EQ(other.operations, one.operations);
  // Twin: of another seed they are others.
  options.seed = 3;
  EXPECT_NE(run_campaign(options).operations, one.operations);
}

/// In the middle of a part, what was before is run first, and not counted.
TEST(Guide, ACampaignFromTheMiddleCatchesUp) {
  CheckOptions options;
  options.driver = museum("none");
  options.machine = "default";
  options.sequences = Guide::part_size / 4 + 60;
  const Collector whole = run_campaign(options);
  options.first_sequence = options.sequences - 40;
  options.sequences = 40;
  const Collector rest = run_campaign(options);
  EXPECT_EQ(rest.numbers, whole.numbers);
  EXPECT_EQ(rest.operations, whole.operations);
  EXPECT_EQ(rest.sequences, 40U);
}

/// From the middle of a part: what was before is run again, and told by nobody.
TEST(Guide, ARunFromTheMiddleFindsTheSame) {
  CheckOptions options;
  options.driver = museum("fault_queue_count_drifts");
  options.machine = "devices=1:4:stall/2:4:stall";
  options.sequences = 20000;
  options.shrink = false;
  const auto whole = oracle::run_check(options);
  ASSERT_TRUE(whole && whole->findings.size() == 1);
  const u64 number = whole->findings[0].sequence;
  options.first_sequence = number;
  options.sequences = 1;
  const auto alone = oracle::run_check(options);
  ASSERT_TRUE(alone && alone->findings.size() == 1);
  EXPECT_EQ(alone->findings[0].operations, whole->findings[0].operations);
  EXPECT_EQ(alone->sequences, 1U);
  EXPECT_EQ(alone->next_sequence, number + 1);
}

TEST(Mix, LeavesOutKindsAndTroubles) {
  u64 without_time_outs = 0, without_failures = 0, of_few_kinds = 0;
  std::set<fuzz::OperationKind> all;
  constexpr u64 count = 400;
  for (u64 n = 0; n < count; ++n) {
    SplitMix64 words(n * 77);
    const oracle::Mix mix = oracle::Mix::drawn(words);
    std::set<fuzz::OperationKind> kinds;
    bool times_out = false, fails = false;
    for (int i = 0; i < 100; ++i) {
      const fuzz::Operation operation = mix.next(words);
      EXPECT_EQ(fuzz::decode_word(fuzz::encode_word(operation)), operation);
      const bool trouble = operation.kind == fuzz::OperationKind::queue ||
                           operation.kind == fuzz::OperationKind::hardware;
      times_out |= trouble;
      fails |= operation.fail != 0;
      if (!trouble) kinds.insert(operation.kind);
    }
    all.insert(kinds.begin(), kinds.end());
    without_time_outs += times_out ? 0U : 1U;
    without_failures += fails ? 0U : 1U;
    of_few_kinds += kinds.size() <= 20 ? 1U : 0U;
  }
  EXPECT_GT(without_time_outs, count / 6);
  EXPECT_GT(without_failures, count / 3);
  EXPECT_THAT(of_few_kinds, AllOf(Gt(count / 4), Lt(count)));
  constexpr std::size_t troubles = 2;
  EXPECT_EQ(all.size() + troubles, static_cast<std::size_t>(fuzz::OperationKind::count));
}

}  // namespace
}  // namespace iommucheck::test
