// SPDX-License-Identifier: MIT
// Behind what is known a case goes on: what another mistake does there is found, and what follows
// from the known thing is not.
#include "check/passed_over.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "check/check.h"
#include "check/finding_kind.h"
#include "check/known_findings.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "spec/rules/protocol.h"
#include "tests/places.h"

namespace iommucheck::oracle::passed_over_test {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::Field;
using testing::IsEmpty;
using testing::Ne;
using testing::Not;

std::string claims(const std::string& name) {
  return test::in_build("test-plugins/claims_") + name + ".so";
}

CheckOptions options_for(const std::string& driver, u64 seed) {
  CheckOptions options;
  options.driver = claims(driver);
  options.machine = "default";
  options.seed = seed;
  options.sequences = 1500;
  options.findings_max = 60;
  options.shrink = false;
  options.today = "2026-06-15";
  return options;
}

CheckResult check(const CheckOptions& options) {
  auto result = run_check(options);
  EXPECT_TRUE(result) << result.error().message;
  return result ? std::move(*result) : CheckResult{};
}

/// What a driver that forgets each invalidation shows, and nothing else.
std::shared_ptr<const KnownFile> forgotten() {
  CheckOptions options = options_for("domains", 1);
  options.sequences = 8000;
  const CheckResult first = check(options);
  EXPECT_THAT(first.findings, Not(IsEmpty()));
  return std::make_shared<const KnownFile>(known_after(options, first));
}

/// A boot is made once: what it breaks behind its first mistake is found all the same.
TEST(PassedOver, ABootShowsAllThatItBreaks) {
  CheckOptions options = options_for("two_at_boot", 1);
  options.sequences = 1;
  const CheckResult result = check(options);
  const auto at_boot = [](spec::Rule rule) {
    return Contains(AllOf(Field(&Finding::rule, rule), Field(&Violation::calls, u64{0})));
  };
  EXPECT_THAT(result.findings, at_boot(spec::rule::REGISTER_WIDTH));
  EXPECT_THAT(result.findings, at_boot(spec::rule::PROMISE_OUTCOME));
}

TEST(PassedOver, WhatFollowsFromAKnownThingIsNoFinding) {
  CheckOptions options = options_for("domains", 2);
  options.known = forgotten();
  const CheckResult again = check(options);
  EXPECT_THAT(again.findings, IsEmpty());
  EXPECT_EQ(again.cut_short, 0U) << "each sequence was run to its end";
}

/// Nothing of it shows but behind the known one.
TEST(PassedOver, AnotherMistakeIsFoundBehindAKnownOne) {
  CheckOptions options = options_for("behind", 2);
  options.known = forgotten();
  const CheckResult both = check(options);
  EXPECT_THAT(
      both.findings,
      Contains(Field(&Finding::kind, AllOf(Field(&FindingKind::doing, "map"),
                                           Field(&FindingKind::what, FindingKind::What::may)))));
}

class Excused : public testing::Test {
 protected:
  Excused() {
    finding_.causes.emplace_back();
    finding_.causes[0].kind = spec::Cause::Kind::cached_translation;
    finding_.causes[0].pa = 0x1000;
    finding_.causes[0].value = 0xabc3;
    finding_.causes[0].stored_at = 17;
    passed_over_.begin_case();
  }
  Finding finding_ = finding_of(spec::rule::PAGE_REUSE, {});
  std::string_view doing_ = "unmap";
  std::vector<FindingKind> asked_;
  PassedOver passed_over_{[this](const Finding& finding) -> std::optional<u32> {
                            asked_.push_back(finding.kind);
                            return finding.kind.doing == "unmap" ? std::optional(4U) : std::nullopt;
                          },
                          doing_};
};

/// What is noticed later, in another call, is of the call that replaced the word.
TEST_F(Excused, IsNamedByTheCallOfTheStore) {
  passed_over_.note(10, "sva_unmap");
  passed_over_.note(20, "map");
  doing_ = "map";
  Finding finding = finding_;
  passed_over_.excuses(finding);
  EXPECT_EQ(finding.kind.doing, "sva_unmap");
  passed_over_.go_back_to(5);
  passed_over_.note(10, "detach");
  passed_over_.excuses(finding);
  EXPECT_EQ(finding.kind.doing, "detach") << "undone";
}

/// What no call has stored was there when the driver had come up, whichever call shows it.
TEST_F(Excused, IsOfTheBootWhereNoCallHadBegun) {
  for (const char* shown_by : {"unmap", "hardware"}) {
    passed_over_.begin_case();
    passed_over_.note(17, shown_by);
    doing_ = shown_by;
    Finding finding = finding_;
    passed_over_.excuses(finding);
    EXPECT_EQ(finding.kind.doing, "boot");
    ASSERT_TRUE(finding.kind.left);
    EXPECT_EQ(finding.kind.left->thing, LeftOver::Thing::leaf);
  }
}

TEST_F(Excused, IsWhatComesFromTheSameThingUnderAnyName) {
  passed_over_.note(10, "unmap");
  ASSERT_TRUE(passed_over_.excuses(finding_));
  EXPECT_THAT(passed_over_.of_case(), testing::ElementsAre(PassedOver::One{4, {}}));
  passed_over_.note(20, "map");
  doing_ = "map";
  Finding later = finding_;
  later.rule = spec::rule::CONFLICT_TLB;
  EXPECT_TRUE(passed_over_.excuses(later));
  EXPECT_EQ(asked_.size(), 1U);
  EXPECT_EQ(passed_over_.of_case().size(), 1U) << "counted once";
  // What follows from anything stale; the twins: another word under another rule, another case.
  later.causes[0].pa = 0x1008;
  EXPECT_TRUE(passed_over_.excuses(later));
  later.rule = spec::rule::PAGE_REUSE;
  later.causes[0].stored_at = 27;
  EXPECT_FALSE(passed_over_.excuses(later));
  passed_over_.begin_case();
  EXPECT_FALSE(passed_over_.excuses(finding_));
  EXPECT_THAT(asked_, Contains(AllOf(Field(&FindingKind::doing, "map"),
                                     Field(&FindingKind::what, Ne(FindingKind::What::nothing))))
                          .Times(0));
}

/// Of thousands at one event, so that no kind is made of them, and no nearest miss looked for.
TEST_F(Excused, NeedsNoKindWhereItComesFromTheSameThing) {
  passed_over_.note(10, "unmap");
  EXPECT_FALSE(passed_over_.excuses_as_before(finding_)) << "nothing was excused yet";
  ASSERT_TRUE(passed_over_.excuses(finding_));
  Finding later = finding_;
  later.kind = {};
  EXPECT_TRUE(passed_over_.excuses_as_before(later));
  EXPECT_TRUE(passed_over_.excuses(later));
  EXPECT_TRUE(later.kind.empty());
  EXPECT_EQ(asked_.size(), 1U);
  // The twins: another word; and what nobody goes on behind.
  later.causes[0].value = 0xabc7;
  EXPECT_FALSE(passed_over_.excuses_as_before(later));
  later = finding_;
  later.rule = spec::rule::CRASH_NEVER;
  EXPECT_FALSE(passed_over_.excuses_as_before(later));
}

TEST_F(Excused, IsNothingBehindWhichNobodyKnowsWhatIsPromised) {
  for (const spec::Rule rule : {spec::rule::HANG_RETURNS, spec::rule::CRASH_NEVER}) {
    finding_.rule = rule;
    EXPECT_FALSE(passed_over_.excuses(finding_));
  }
  finding_.rule = spec::rule::RESULT_EXACT;
  finding_.answer = spec::sva::Status::ok;
  EXPECT_FALSE(passed_over_.excuses(finding_)) << "it did what it may not";
  finding_.answer = spec::sva::Status::eio;
  finding_.changed_nothing = true;
  EXPECT_TRUE(passed_over_.excuses(finding_));
}

}  // namespace
}  // namespace iommucheck::oracle::passed_over_test
