// SPDX-License-Identifier: MIT
// A campaign as a CI runs it: corpus, known findings, sequences from files.
#include <gmock/gmock.h>

#include <cstring>

#include "check/given.h"
#include "tests/cli/command_support.h"
#include "tests/places.h"

namespace iommucheck::campaign_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

namespace fs = std::filesystem;

class CampaignCommand : public Command {
 protected:
  static std::string wrong_driver() {
    return "--driver " + test::in_build("museum/museum_tlbi_wrong_asid.so");
  }
  std::string out() const { return " --out " + path("traces"); }
  std::size_t files(const std::string& folder) const {
    std::size_t count = 0;
    for ([[maybe_unused]] const auto& entry : fs::directory_iterator(path(folder))) ++count;
    return count;
  }
};

TEST_F(CampaignCommand, AKnownFindingIsWrittenExplainedAndDoesNotFail) {
  const std::string command = "check " + wrong_driver() +
                              " --seed 6 --runs 1500 --no-shrink --findings 50" + out() +
                              " --known ";
  Ran ran = run("check " + wrong_driver() + " --seed 6 --runs 1500 --no-shrink --findings 50" +
                out() + " --write-known " + path("known.json"));
  EXPECT_EQ(ran.status, 1) << ran.err;
  ran = run(command + path("known.json"));
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("as known, "), HasSubstr("  known    "),
                             Not(HasSubstr("VIOLATION"))));
  // What has expired fails, and is told.
  std::string text = slurp(path("known.json"));
  const std::string before = "\"party\": \"driver\"";
  text.replace(text.find(before), before.size(), before + ", \"expires\": \"2001-01-01\"");
  write("known.json", text);
  ran = run(command + path("known.json"));
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.out, AllOf(HasSubstr("EXPIRED"), HasSubstr("(beside ")));
  // What is not seen is told, and does not fail.
  write("stale.json",
        R"({"driver": "builtin", "findings": [
           {"id": "gone", "rule": "PAGE_REUSE", "kind": "unmap*", "why": "it was so"}]})");
  ran = run("check --seed 6 --runs 100" + out() + " --known " + path("stale.json"));
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("not seen PAGE_REUSE"));
  write("other.json", R"({"driver": "another", "findings": []})");
  ran = run(command + path("other.json"));
  EXPECT_EQ(ran.status, 2) << "another driver's";
}

TEST_F(CampaignCommand, WhatIsAllowedDoesNotFail) {
  const std::string command =
      "check " + wrong_driver() + " --seed 6 --runs 1500 --machine default --no-shrink" + out();
  Ran ran = run(command);
  EXPECT_EQ(ran.status, 1) << ran.out << ran.err;
  const std::string rules =
      " --allow PAGE_REUSE --allow TABLE_FREE --allow PROMISE_OUTCOME "
      "--allow PROMISE_TRANSIENT --allow PROMISE_UNDISTURBED";
  ran = run(command + rules);
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("allowed findings:"), HasSubstr("PAGE_REUSE"),
                             HasSubstr("as known, "), Not(HasSubstr("VIOLATION"))));
  // In one call alone: the others are told.
  ran = run(command + " --allow PAGE_REUSE:no_such_call");
  EXPECT_EQ(ran.status, 1);
  EXPECT_THAT(ran.out, HasSubstr("not seen PAGE_REUSE"));
  ran = run(command + " --allow PAGE_REUSED");
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, HasSubstr("there is no rule 'PAGE_REUSED'"));
  // It is no part of the file.
  ran = run(command + rules + " --write-known " + path("written.json"));
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_THAT(slurp(path("written.json")), Not(HasSubstr("allow")));
}

/// What may be given several times takes one value each time, not the file behind it.
TEST_F(CampaignCommand, AFileMayStandBehindAnOption) {
  const std::string file = path("sequences.txt");
  for (const std::string option : {" --allow PAGE_REUSE ", " --report out.json "}) {
    const Ran ran = run("check" + option + file);
    EXPECT_EQ(ran.status, 2) << option;
    EXPECT_THAT(ran.err, HasSubstr(file + ": there is no such file")) << option;
  }
}

TEST_F(CampaignCommand, TheLastLineSaysWhatWasJudged) {
  Ran ran = run("check --seed 3 --runs 300 --machine default" + out());
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr(", stage 1, PASIDs, ATS, stalls, exits: "));
  EXPECT_THAT(ran.out, HasSubstr(" claimed rules hold\n"));
  ran = run("check --seed 3 --runs 300 --machine default --devices 1:0/4:0" + out());
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr(", stage 1, no PASID, no ATS, no stalls: "));
  // A file of keys, a line each; what it does not name is drawn.
  const std::string smmu =
      write("smmu.txt", "cohacc=0\n# no range commands\nril=0,minor=0,bbml=0\n");
  ran = run("check -v --seed 3 --runs 300 --smmu " + smmu + out());
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("machine 1: minor=0,cohacc=0,ril=0"));
  ran = run("check --runs 300 --smmu cohacc=2" + out());
  EXPECT_EQ(ran.status, 2);
}

TEST_F(CampaignCommand, ACorpusIsFilledAndRunFirst) {
  const std::string command = "check --corpus " + path("corpus") + " --machine default" + out();
  Ran ran = run(command + " --seed 1 --runs 400 -j 1");
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  const std::size_t kept = files("corpus");
  EXPECT_GT(kept, 50U);
  ran = run(command + " --seed 2 --runs 1 -j 2 --minimize");
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr(std::to_string(kept) + " sequences run from files"));
  EXPECT_LE(files("corpus"), kept + 1);
  // A file that is no sequence is told, and not all was looked at.
  write("corpus/mine.txt", "map domain=9\n");
  ran = run(command + " --seed 2 --runs 1");
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, AllOf(HasSubstr("not run: "), HasSubstr("mine.txt:1:5: 'domain=9'")));
  EXPECT_TRUE(fs::exists(path("corpus/mine.txt")));
}

TEST_F(CampaignCommand, SequencesAreRunFromFiles) {
  const std::string ops = write("one.ops", "# a process\nbind\nunbind\nend teardown\n");
  Ran ran = run("check " + ops + " --machine default" + out());
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("holds, 1 sequences"));
  const std::string seeds = path("seeds");
  ran = run("check --to-corpus " + seeds + " --runs 3 --seed 9");
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_EQ(files("seeds"), 3U);
  ran = run("check " + seeds + "/* --machine default" + out());
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("3 sequences"));
  // In any order: an option takes what belongs to it.
  ran = run("check --driver builtin " + ops + " --machine default" + out());
  EXPECT_EQ(ran.status, 0) << ran.err;
  ran = run("check " + write("bad.ops", "map\nmop\n") + out());
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, HasSubstr("bad.ops:2:1: 'mop'"));
  ran = run("check " + path("nobody") + out());
  EXPECT_EQ(ran.status, 2);
  EXPECT_THAT(ran.err, HasSubstr("there is no such file"));
}

TEST_F(CampaignCommand, AnInputOfTheFuzzTargetShowsWhatItFound) {
  Ran ran = run("check " + wrong_driver() + " --machine default --seed 6 --runs 2000" + out() +
                " --corpus " + path("corpus"));
  ASSERT_EQ(ran.status, 1) << ran.out;
  // As the fuzzer would have kept it.
  std::size_t shown = 0;
  for (const auto& entry : fs::directory_iterator(path("corpus"))) {
    const auto given = oracle::read_given(entry.path().string());
    ASSERT_TRUE(given);
    const std::vector<u8> bytes = fuzz::encode(given->sequence.operations);
    const std::string artefact =
        write("crash-1", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    ran = run("check " + wrong_driver() + " --machine default --no-shrink " + artefact + out());
    shown += ran.status == 1 ? 1U : 0U;
    if (ran.status == 1) {
      EXPECT_THAT(ran.out, HasSubstr("first in " + artefact));
      break;
    }
  }
  EXPECT_GT(shown, 0U);
}

TEST_F(CampaignCommand, WhatSeveralCallsLeaveForOneReasonIsOneLine) {
  const Ran ran =
      run("check --driver " + test::in_build("museum/museum_asid_reused_without_tlbi.so") +
          " --seed 1 --runs 1500 --no-shrink --findings 10" + out());
  EXPECT_EQ(ran.status, 1) << ran.err;
  EXPECT_THAT(ran.out, ::testing::ContainsRegex(
                           "\n  TABLE_FREE +[a-z_]+, [a-z_, ]+; table cached, early\n"));
}

}  // namespace
}  // namespace iommucheck::campaign_test
