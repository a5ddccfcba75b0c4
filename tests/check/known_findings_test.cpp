// SPDX-License-Identifier: MIT
// Findings that are known: they neither end a run nor fail it; what is new does, and what has
// expired excuses nothing.
#include "check/known_findings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <utility>

#include "check/finding_kind.h"
#include "report/finding_kind_text.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "tests/own_path.h"
#include "tests/places.h"

namespace iommucheck::oracle::known_findings_test {
namespace {

using testing::AllOf;
using testing::Each;
using testing::Field;
using testing::Gt;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

std::string museum(const std::string& name) {
  return test::in_build("museum/museum_") + name + ".so";
}

std::string faulty(const std::string& name) {
  return test::in_build("test-plugins/faulty_") + name + ".so";
}

CheckResult check(const CheckOptions& options) {
  auto result = run_check(options);
  EXPECT_TRUE(result) << result.error().message;
  return result ? std::move(*result) : CheckResult{};
}

class Known : public testing::Test {
 protected:
  Known() {
    options_.driver = museum("tlbi_wrong_asid");
    options_.machine = "drawn";
    options_.seed = 6;
    options_.sequences = 1000;
    options_.shrink = false;
    options_.findings_max = 100;
    options_.today = "2026-06-15";
  }
  void know(KnownFile file) {
    for (KnownFinding& entry : file.entries) entry.why = "the author knows";
    options_.known = std::make_shared<const KnownFile>(std::move(file));
  }
  static const RuleCount& count_of(const CheckResult& result, std::string_view rule) {
    return *std::ranges::find(result.rules, *spec::find_rule(rule), &RuleCount::rule);
  }
  CheckOptions options_;
};

TEST_F(Known, AllThatIsKnownIsNoViolation) {
  options_.sequences = CheckOptions::default_part_size + 300;  // several parts
  const CheckResult first = check(options_);
  ASSERT_THAT(first.findings, SizeIs(Gt(1U)));
  EXPECT_EQ(end_of(options_, first).verdict(), Verdict::violated);
  know(known_after(options_, first));
  for (const u32 jobs : {1U, 2U}) {
    options_.jobs = jobs;
    options_.findings_max = 1;
    const CheckResult again = check(options_);
    EXPECT_THAT(again.findings, IsEmpty());
    EXPECT_EQ(end_of(options_, again).verdict(), Verdict::held);
    EXPECT_EQ(again.sequences, options_.sequences) << "it looked on";
    // What follows from another one is seen with it, where that is known from the beginning.
    ASSERT_THAT(again.known, SizeIs(first.findings.size()));
    EXPECT_GT(again.known.front().times, 0U);
    for (const KnownSeen& known : again.known) {
      if (known.times == 0) continue;
      const RuleCount& rule = count_of(again, known.entry.rule);
      EXPECT_EQ(rule.verdict, RuleVerdict::undetermined) << "neither kept nor broken anew";
      EXPECT_THAT(rule.why, HasSubstr(known.entry.id));
    }
  }
}

TEST_F(Known, WhatIsNewIsFoundBesideWhatIsKnown) {
  const CheckResult first = check(options_);
  KnownFile file = known_after(options_, first);
  ASSERT_THAT(file.entries, SizeIs(Gt(1U)));
  // The first: others may follow from it, and not it from them.
  const KnownFinding left_out = file.entries.front();
  file.entries.erase(file.entries.begin());
  know(std::move(file));
  const CheckResult again = check(options_);
  ASSERT_THAT(again.findings, SizeIs(1));
  EXPECT_EQ(again.findings.front().kind, left_out.parts);
  EXPECT_EQ(end_of(options_, again).verdict(), Verdict::violated);
  // The file as it would be now has it again, and the reasons that were written.
  const KnownFile now = known_after(options_, again);
  EXPECT_THAT(now.entries, SizeIs(first.findings.size()));
  EXPECT_EQ(now.entries.front().why, "the author knows");
  EXPECT_THAT(now.entries.back().why, HasSubstr("TO DO"));
}

TEST_F(Known, AnEntryExcusesUntilItExpires) {
  const CheckResult first = check(options_);
  KnownFile file = known_after(options_, first);
  for (KnownFinding& entry : file.entries) entry.expires = "2026-06-15";
  know(file);
  EXPECT_THAT(check(options_).findings, IsEmpty()) << "its last day";
  options_.today = "2026-06-16";
  const CheckResult expired = check(options_);
  EXPECT_EQ(expired.findings.size(), first.findings.size());
  for (const KnownSeen& known : expired.known) EXPECT_TRUE(known.expired && known.times == 0);
  EXPECT_EQ(end_of(options_, expired).verdict(), Verdict::violated);
}

TEST(KnownKinds, AStarStandsForWhatABeginningOrAnEndMayBe) {
  const auto covers = [](const char* kind, const char* its) {
    const KnownFinding one{
        .id = "a", .rule = "PAGE_REUSE", .kind = kind, .section = {}, .why = "w", .correct = {}};
    return one.covers("PAGE_REUSE", its) && !one.covers("TABLE_FREE", its);
  };
  EXPECT_TRUE(covers("*; L1STD, leaf only", "attach; L1STD, leaf only"));
  EXPECT_FALSE(covers("*; L1STD, leaf only", "attach; L1STD, leaf only, twice"));
  EXPECT_TRUE(covers("attach; *", "attach; L1STD, leaf only"));
  EXPECT_FALSE(covers("attach; *", "detach; L1STD, leaf only"));
  EXPECT_TRUE(covers("*L1STD*", "attach; L1STD, leaf only"));
  EXPECT_FALSE(covers("*L1CD*", "attach; L1STD, leaf only"));
  EXPECT_TRUE(covers("*", "attach; L1STD, leaf only"));
  EXPECT_FALSE(covers("attach", "attach; L1STD, leaf only"));
}

/// The twin: an entry for another rule, or another kind, or another driver excuses nothing.
TEST_F(Known, OnlyWhatAnEntryNamesIsExcused) {
  options_.findings_max = 1;
  KnownFile file;
  file.of = KnownFile::Subject::driver;
  file.subject = check(options_).driver_name;
  file.entries = {
      {.id = "a", .rule = "STATE_RETURNS", .kind = "*", .section = {}, .why = "w", .correct = {}}};
  know(file);
  const CheckResult other_rule = check(options_);
  ASSERT_THAT(other_rule.findings, SizeIs(1));
  EXPECT_EQ(other_rule.known.front().times, 0U) << "stale";
  const Violation& found = other_rule.findings.front();
  file.entries[0].rule = spec::rule_name(found.rule);
  file.entries[0].kind = text_of(found.kind) + " and more";
  know(file);
  EXPECT_THAT(check(options_).findings, SizeIs(1));
  file.entries[0].kind = found.kind.doing + "*";
  know(file);
  options_.findings_max = 100;
  for (const Violation& one : check(options_).findings) {
    EXPECT_FALSE(file.entries[0].covers(one.rule, one.kind)) << text_of(one.kind);
  }
  file.subject = "another";
  know(file);
  const auto refused = run_check(options_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::bad_input);
  EXPECT_THAT(refused.error().message, HasSubstr("another"));
}

TEST_F(Known, ACrashIsKnownByItsSignalAndOperation) {
  options_.driver = faulty("three");
  options_.machine = "default";
  options_.sequences = 100;
  options_.hang_seconds = 0.25;  // it hangs, too: more than once
  const CheckResult first = check(options_);
  const auto crash = std::ranges::find(first.findings, spec::rule::CRASH_NEVER, &Finding::rule);
  ASSERT_NE(crash, first.findings.end());
  EXPECT_EQ(crash->kind.end, FindingKind::End::signal);
  know(known_after(options_, first));
  const CheckResult again = check(options_);
  EXPECT_THAT(again.findings, IsEmpty());
}

/// What it cut off counts as run: a driver that dies of what is known is judged on all the rest.
TEST_F(Known, ACrashThatIsKnownLeavesTheRunItsVerdict) {
  options_.driver = faulty("crash");
  options_.machine = "default";
  options_.sequences = 100;
  const CheckResult first = check(options_);
  EXPECT_EQ(end_of(options_, first).verdict(), Verdict::violated);
  know(known_after(options_, first));
  const CheckResult again = check(options_);
  EXPECT_THAT(again.findings, IsEmpty());
  EXPECT_LT(again.sequences, 100U) << "some were cut off";
  const RunEnd end = end_of(options_, again);
  EXPECT_EQ(end.verdict(), Verdict::held) << testing::PrintToString(end.why());
}

class KnownFiles : public testing::Test {
 protected:
  std::string error_of(const std::string& text) const {
    std::ofstream(path_) << text;
    const auto file = read_known(path_, KnownFile::Subject::driver);
    std::filesystem::remove(path_);
    return file ? "read" : file.error().message;
  }
  static std::string entry(const std::string& more) {
    return "{\"driver\": \"d\",\n \"findings\": [\n  {\"id\": \"x\", \"rule\": \"PAGE_REUSE\", "
           "\"kind\": \"unmap\", \"why\": \"w\"" +
           more + "}]}\n";
  }
  std::string path_ = test::own_path("known.json");
};

TEST_F(KnownFiles, SayWhereTheyAreWrong) {
  EXPECT_EQ(error_of(entry("")), "read");
  EXPECT_EQ(error_of(entry(", \"expires\": \"2026-02-28\", \"party\": \"driver\"")), "read");
  EXPECT_THAT(error_of(entry(", \"expires\": \"2026-02-30\"")),
              AllOf(HasSubstr(path_ + ":3:3: "), HasSubstr("YYYY-MM-DD")));
  EXPECT_THAT(error_of(entry(", \"party\": \"smmu\"")), HasSubstr("PAGE_REUSE is for driver"));
  EXPECT_EQ(error_of(entry(", \"party\": \"backend\"")), "read");
  EXPECT_THAT(error_of(entry(", \"wy\": \"\"")),
              HasSubstr("an entry has no key 'wy'; it may have id, rule, kind, section, why, "
                        "correct, party, expires, parts"));
  EXPECT_THAT(error_of(entry(", \"expires\": \"\"")), HasSubstr("YYYY-MM-DD"));
  EXPECT_THAT(error_of(entry("}], \"expires\": [{")),
              HasSubstr("the file has no key 'expires'; it may have driver, version, findings"));
  EXPECT_THAT(error_of(entry("}, {")), HasSubstr("'id' has to be a string"));
  EXPECT_THAT(error_of("{\"driver\": \"d\"}"), HasSubstr("'findings'"));
  EXPECT_THAT(error_of("{\"device\": \"d\", \"findings\": []}"),
              HasSubstr("the file has no key 'device'; it may have driver"));
  EXPECT_THAT(error_of("{\"findings\": []}"), HasSubstr("'driver'"));
  EXPECT_THAT(error_of("{\n\"driver\": \"d\",\n]"), HasSubstr(path_ + ":3:"));
  std::string twice = entry("");
  twice.insert(twice.find("]"),
               ", " + twice.substr(twice.find("{\"id"), twice.find("]") - twice.find("{\"id")));
  EXPECT_THAT(error_of(twice), HasSubstr("is there twice"));
}

TEST_F(KnownFiles, NameTheBackendThatWasAtFault) {
  CheckResult result;
  Violation found{};
  found.rule = spec::rule::PAGE_REUSE;
  for (const auto& [party, named] :
       {std::pair{spec::Keeper::driver, "driver"}, std::pair{spec::Keeper::backend, "backend"}}) {
    found.party = party;
    result.findings = {found};
    const KnownFile file = known_after({}, result);
    ASSERT_EQ(file.entries.size(), 1U);
    EXPECT_EQ(file.entries[0].party, named);
  }
}

TEST_F(KnownFiles, ComeBackAsTheyWereWritten) {
  KnownFile file{.path = {},
                 .of = KnownFile::Subject::driver,
                 .subject = "d",
                 .version = {},
                 .entries = {{.id = "x",
                              .rule = "PAGE_REUSE",
                              .kind = "unmap*",
                              .section = "s",
                              .why = "a \"reason\"",
                              .correct = "c",
                              .party = "driver",
                              .expires = "2030-01-01"}}};
  const std::string text = known_text(file);
  std::ofstream(path_) << text;
  const auto back = read_known(path_, KnownFile::Subject::driver);
  std::filesystem::remove(path_);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(known_text(*back), text);
}

TEST(FindingKind, NamesWhatHappensAndNotWhere) {
  Finding finding = finding_of(spec::rule::PAGE_REUSE, {});
  finding.hardware = {{.kind = May::Kind::reach, .pa = 0x1000},
                      {.kind = May::Kind::fault},
                      {.kind = May::Kind::reach, .pa = 0x2000}};
  finding.promised = {{.state = spec::sva::State::unmapped}};
  const FindingKind kind = kind_of(finding, "unmap");
  EXPECT_EQ(text_of(kind), "unmap: fault or reach, promised unmapped");
  finding.hardware[0].pa = 0x9000;
  EXPECT_EQ(kind_of(finding, "unmap"), kind);
  EXPECT_NE(kind_of(finding, "detach"), kind);
  Finding result = finding_of(spec::rule::RESULT_EXACT, "it says 0x17");
  result.answer = spec::sva::Status::einval;
  result.wrong = "permitted: ok with 0x17; ENOMEM (of 2 pages)";
  EXPECT_EQ(text_of(kind_of(result, "map")),
            "map: EINVAL, permitted: ok with #, ENOMEM (of # pages)");
  const u64 key = key_of(spec::rule::PAGE_REUSE, kind);
  EXPECT_EQ(rule_of(key), spec::rule::PAGE_REUSE);
  EXPECT_NE(key, key_of(spec::rule::TABLE_FREE, kind));
  EXPECT_NE(key, key_of(spec::rule::PAGE_REUSE, kind_in_words("unmap")));
}

/// What was cached, and what the nearest command lacked, tells two mistakes apart.
TEST(FindingKind, NamesTheCause) {
  using spec::Cause;
  using spec::NearestMiss;
  using spec::NotCovered;
  Finding finding = finding_of(spec::rule::PAGE_REUSE, {});
  finding.hardware = {{.kind = May::Kind::reach}};
  finding.promised = {{.state = spec::sva::State::unmapped}};
  Cause& cause = finding.causes.emplace_back();
  cause.kind = Cause::Kind::cached_translation;
  const std::string before = "unmap; leaf cached, ";
  EXPECT_EQ(text_of(kind_of(finding, "unmap")), before + "none sent");
  cause.miss = NearestMiss{.why = {.reason = NotCovered::Reason::above_level}};
  EXPECT_EQ(text_of(kind_of(finding, "unmap")), before + "level");
  cause.miss->why.reason = NotCovered::Reason::asid;
  EXPECT_EQ(text_of(kind_of(finding, "unmap")), before + "ASID");
  cause.miss->kind = NearestMiss::Kind::not_complete;
  EXPECT_EQ(text_of(kind_of(finding, "unmap")), before + "no SYNC");
  cause.kind = Cause::Kind::cached_pointer;
  cause.miss = NearestMiss{.why = {.reason = NotCovered::Reason::leaf_only}};
  EXPECT_EQ(text_of(kind_of(finding, "unmap")), "unmap; table cached, leaf only");
  cause.kind = Cause::Kind::atc_entry;
  cause.ssid = 3;
  cause.miss.reset();
  EXPECT_EQ(text_of(kind_of(finding, "unmap")), "unmap; ATC at a PASID, none sent");
  cause.kind = Cause::Kind::cached_structure;
  cause.structure = spec::ConfigKind::cd;
  EXPECT_EQ(text_of(kind_of(finding, "unmap")), "unmap; CD, none sent");
  // What was sent before that call is of another.
  cause.miss = NearestMiss{.kind = NearestMiss::Kind::too_early, .at = 10};
  EXPECT_EQ(text_of(kind_of(finding, "map", {"unmap", 20})), "unmap; CD, none sent");
  EXPECT_EQ(text_of(kind_of(finding, "map", {"unmap", 5})), "unmap; CD, early");
  // Wherever it is noticed, it is of the call that replaced the word.
  EXPECT_EQ(kind_of(finding, "attach", {"unmap", 5}), kind_of(finding, "map", {"unmap", 5}));
  EXPECT_NE(kind_of(finding, "map", {"unmap", 5}), kind_of(finding, "map", {"detach", 5}));
  // In memory now: the call says more.
  cause.kind = Cause::Kind::word;
  EXPECT_EQ(text_of(kind_of(finding, "unmap")), "unmap: reach, promised unmapped");
}

/// Which of the rules about reach shows a cause first is luck; others are others.
TEST(FindingKind, OfACauseIsOneForTheRulesAboutReach) {
  const FindingKind caused{
      .doing = "unmap",
      .left = LeftOver{.thing = LeftOver::Thing::leaf, .why = LeftOver::Why::level}};
  EXPECT_EQ(key_of(spec::rule::PAGE_REUSE, caused), key_of(spec::rule::PROMISE_OUTCOME, caused));
  EXPECT_NE(key_of(spec::rule::PAGE_REUSE, caused), key_of(spec::rule::TABLE_FREE, caused));
  const FindingKind plain{.what = FindingKind::What::may,
                          .doing = "unmap",
                          .may = {{MayKind::reach, {}}},
                          .promised = {spec::sva::State::unmapped}};
  EXPECT_NE(key_of(spec::rule::PAGE_REUSE, plain), key_of(spec::rule::PROMISE_OUTCOME, plain));
}

/// A wrong MAIR is met by each call that maps or moves something: it is one thing all the same.
TEST(FindingKind, OfMemoryAttributesNamesNoCall) {
  Finding finding = finding_of(spec::rule::PROMISE_OUTCOME, {});
  finding.hardware = {{.kind = May::Kind::reach, .pa = 0x1000, .memory = "Normal-iNC-oNC"}};
  finding.promised = {{.state = spec::sva::State::mapped, .pa = 0x1000}};
  EXPECT_EQ(kind_of(finding, "map"), kind_of(finding, "attach"));
  finding.hardware[0].pa = 0x2000;
  EXPECT_NE(kind_of(finding, "map"), kind_of(finding, "attach")) << "the wrong page";
}

}  // namespace
}  // namespace iommucheck::oracle::known_findings_test
