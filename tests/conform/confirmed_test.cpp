// SPDX-License-Identifier: MIT
// A finding is what shows again in its case alone; anything else is told apart, and blames nobody.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <optional>

#include "conform/dut/spec_device.h"
#include "tests/conform/run_options.h"
#include "tests/conform/words.h"

namespace iommucheck::oracle::confirmed_test {
namespace {

/// The specification, but of some accesses it says that they ended elsewhere: by the number of the
/// run that they are in, and by their own within it.
class Unsteady final : public SpecDevice {
 public:
  using Wrong = std::function<bool(u64 run, u64 access)>;
  Unsteady(u64 seed, Wrong wrong) : SpecDevice(seed), wrong_(std::move(wrong)) {}

  Expected<void> reset() override {
    ++run_;
    access_ = 0;
    changed_.reset();
    return SpecDevice::reset();
  }
  Ticket dma(unsigned engine, u64 iova, bool write, DmaAttributes attributes) override {
    const Ticket ticket = SpecDevice::dma(engine, iova, write, attributes);
    if (wrong_(run_, access_++)) changed_ = ticket;
    return ticket;
  }
  [[nodiscard]] DmaSeen seen(Ticket ticket) const override {
    DmaSeen seen = SpecDevice::seen(ticket);
    if (changed_ == ticket) seen.reached = !seen.reached;
    return seen;
  }

 private:
  Wrong wrong_;
  u64 run_ = 0, access_ = 0;
  std::optional<Ticket> changed_;
};

/// One that is right until cases have left enough in it, and again once it is renewed.
class Worn final : public SpecDevice {
 public:
  Worn() : SpecDevice(1) {}
  Expected<void> reset() override {
    ++resets_;
    return SpecDevice::reset();
  }
  Expected<void> renew() override {
    resets_ = 0;
    return SpecDevice::reset();
  }
  [[nodiscard]] DmaSeen seen(Ticket ticket) const override {
    DmaSeen seen = SpecDevice::seen(ticket);
    if (resets_ > lasts) seen.reached = !seen.reached;
    return seen;
  }

 private:
  /// More than it takes to see a finding again, and no more than a run has.
  static constexpr unsigned lasts = 40;
  unsigned resets_ = 0;
};

ConformResult result_of(Unsteady::Wrong wrong) {
  Unsteady device(1, std::move(wrong));
  auto result = run_conform(device, options_of(1, 40, "ste: *"));
  EXPECT_TRUE(result) << result.error().message;
  return std::move(*result);
}

TEST(Confirmed, WhatIsSeenOnceIsNoFinding) {
  const ConformResult result =
      result_of([](u64 run, u64 access) { return run == 1 && access == 0; });
  EXPECT_TRUE(result.divergences.empty()) << words(result);
  ASSERT_FALSE(
      result.not_reproduced.empty());  // the access, and the record that is there nevertheless
  for (const FoundDivergence& one : result.not_reproduced) EXPECT_EQ(one.shown, 0U);
  EXPECT_FALSE(result.held());
  // No rule is called broken for it, and the run is not decided.
  EXPECT_TRUE(std::ranges::none_of(
      result.rules, [](const RuleCount& rule) { return rule.verdict == RuleVerdict::broken; }));
  EXPECT_EQ(end_of(result).verdict(), Verdict::undecided);
}

TEST(Confirmed, WhatShowsNowAndThenIsOne) {
  const ConformResult result =
      result_of([](u64 run, u64 access) { return run % 3 != 0 && access == 0; });
  EXPECT_FALSE(result.divergences.empty());
  EXPECT_EQ(end_of(result).verdict(), Verdict::violated);
  for (const FoundDivergence& found : result.divergences) {
    EXPECT_EQ(found.shown, 2U) << found.divergence.statement;
    EXPECT_LE(found.runs, 5U) << found.divergence.statement;
  }
}

TEST(Confirmed, WhatShowsEachTimeIsOne) {
  const ConformResult result = result_of([](u64, u64 access) { return access == 0; });
  ASSERT_FALSE(result.divergences.empty());
  EXPECT_TRUE(result.not_reproduced.empty());
  for (const FoundDivergence& found : result.divergences) EXPECT_EQ(found.runs, 2U);
}

TEST(Confirmed, WhatEarlierCasesHaveLeftIsNoFinding) {
  Worn device;
  const auto result = run_conform(device, options_of(1, 80, "walk*"));
  ASSERT_TRUE(result) << result.error().message;
  EXPECT_TRUE(result->divergences.empty()) << words(*result);
  EXPECT_FALSE(result->not_reproduced.empty());
  EXPECT_EQ(end_of(*result).verdict(), Verdict::undecided);
}

}  // namespace
}  // namespace iommucheck::oracle::confirmed_test
