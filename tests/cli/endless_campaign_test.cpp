// SPDX-License-Identifier: MIT
// `iommucheck campaign`: kills lose nothing, shards and merged folders say what one run says, and
// nobody else's folder is touched.
#include <gmock/gmock.h>

#include <map>

#include "tests/cli/command_support.h"
#include "tests/places.h"

namespace iommucheck::endless_campaign_test {
namespace {

using ::testing::HasSubstr;

class EndlessCampaign : public Command {
 protected:
  /// Of a driver that forgets its invalidation, ten slices.
  [[nodiscard]] std::string campaign(const std::string& name, const std::string& more = "") const {
    return program() + " campaign " + path(name) + " --driver " +
           test::in_build("examples/simple_driver_buggy.so") +
           " --machine default --seed 1 --slice 24 --runs 240 --no-shrink -j 1 " + more;
  }
  /// The names of the files of a folder of it, with what they hold where that does not name it.
  [[nodiscard]] std::map<std::string, std::string> files(const std::string& folder) const {
    std::map<std::string, std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator(path(folder))) {
      const bool plain = entry.path().extension() == ".ops";
      all[entry.path().filename()] = plain ? slurp(entry.path()) : "";
    }
    return all;
  }
  /// Findings, corpus, and how often each rule was asked.
  void expect_same(const std::string& a, const std::string& b) const {
    EXPECT_EQ(files(a + "/findings"), files(b + "/findings"));
    EXPECT_EQ(files(a + "/corpus"), files(b + "/corpus"));
    EXPECT_EQ(slurp(path(a + "/coverage.json")), slurp(path(b + "/coverage.json")));
  }
};

TEST_F(EndlessCampaign, KilledAtAnyMomentItGoesOnAndSaysTheSame) {
  const Ran whole = shell(campaign("whole"));
  ASSERT_EQ(whole.status, 1) << whole.out << whole.err;
  EXPECT_THAT(whole.out, HasSubstr("VIOLATION PAGE_REUSE"));
  EXPECT_THAT(whole.out, HasSubstr("240 sequences in 10 slices"));
  EXPECT_FALSE(files("whole/corpus").empty());
  // Later each time, so that kills meet each stage of a slice.
  for (int i = 1; i <= 10; ++i) {
    (void)shell("timeout -s KILL 0." + std::to_string(10 + 4 * i) + " " + campaign("killed"));
  }
  const Ran rest = shell(campaign("killed"));
  EXPECT_EQ(rest.status, 1) << rest.err;
  EXPECT_THAT(rest.out, HasSubstr("240 sequences in 10 slices"));
  expect_same("whole", "killed");
  for (const auto& [name, text] : files("whole/findings")) {
    if (name.ends_with(".jsonl")) {
      EXPECT_EQ(run("replay " + path("killed/findings/" + name)).status, 1) << name;
    }
  }
  // All of it is done: nothing is run again.
  EXPECT_EQ(shell(campaign("killed")).out.find("slice 0:"), std::string::npos);
}

/// A slice that has its files and not its entry, and one that was being written.
TEST_F(EndlessCampaign, WhatAKillLeavesIsNoHarm) {
  ASSERT_EQ(shell(campaign("whole", "--runs 96")).status, 1);
  ASSERT_EQ(shell(campaign("left", "--runs 48")).status, 1);
  (void)shell("cp -r " + path("whole") + "/findings " + path("left") + "/ && mkdir -p " +
              path("left") + "/.running/corpus && echo half >" + path("left") +
              "/slices/1-000002.json.part && rm " + path("left") + "/coverage.json");
  EXPECT_EQ(shell(campaign("left", "--runs 96")).status, 1);
  expect_same("whole", "left");
  EXPECT_FALSE(std::filesystem::exists(path("left/.running")));
  // Damage is told by its name.
  (void)shell("echo nonsense >" + path("left") + "/slices/1-000001.json");
  const Ran damaged = shell(campaign("left"));
  EXPECT_EQ(damaged.status, 2);
  EXPECT_THAT(damaged.err, HasSubstr("slices/1-000001.json: no slice of a campaign"));
}

TEST_F(EndlessCampaign, ShardsMergedAreOneRun) {
  ASSERT_EQ(shell(campaign("whole")).status, 1);
  for (const char* shard : {"1/3", "2/3", "3/3"}) {
    const std::string name = std::string("shard") + shard[0];
    EXPECT_NE(shell(campaign(name, "--shard " + std::string(shard))).status, 2);
  }
  const Ran merged = run("merge " + path("shard2") + " " + path("shard1") + " " + path("shard3"));
  EXPECT_EQ(merged.status, 0) << merged.err;
  EXPECT_THAT(merged.out, HasSubstr("240 sequences in 10 slices"));
  EXPECT_EQ(files("shard2/findings"), files("whole/findings"));
  EXPECT_EQ(slurp(path("shard2/coverage.json")), slurp(path("whole/coverage.json")));
  // Once more changes nothing, and the campaign is at its end.
  EXPECT_THAT(run("merge " + path("shard2") + " " + path("shard1")).out, HasSubstr(": 0 of 4"));
  EXPECT_EQ(shell(campaign("shard2")).out.find("slice 0:"), std::string::npos);
}

/// As on two machines: the same source, each in a folder of its own, with debug information.
TEST_F(EndlessCampaign, BuildsOfOneSourceMerge) {
  const auto build = [&](const std::string& folder, const std::string& flags) {
    const Ran built =
        shell("mkdir -p " + path(folder) + " && cp " + test::in_tree("examples/simple_driver.c") +
              " " + path(folder) + " && clang-19 -g -Wl,--build-id -shared -fPIC -I " +
              test::in_tree("include") + flags + " -o " + path(folder + "/d.so ") +
              path(folder + "/simple_driver.c"));
    ASSERT_EQ(built.status, 0) << built.err;
  };
  build("here", " -DFORGET_THE_INVALIDATION");
  build("somewhere/else", " -DFORGET_THE_INVALIDATION");
  build("right", "");
  ASSERT_NE(slurp(path("here/d.so")), slurp(path("somewhere/else/d.so")));
  const auto by = [&](const std::string& folder) { return "--driver " + path(folder + "/d.so "); };
  ASSERT_EQ(shell(campaign("whole", by("here"))).status, 1);
  EXPECT_EQ(shell(campaign("first", by("here") + "--shard 1/2")).status, 1);
  EXPECT_NE(shell(campaign("second", by("somewhere/else") + "--shard 2/2")).status, 2);
  const Ran merged = run("merge " + path("first") + " " + path("second"));
  EXPECT_EQ(merged.status, 0) << merged.err;
  EXPECT_THAT(merged.out, HasSubstr("240 sequences in 10 slices"));
  EXPECT_EQ(files("first/findings"), files("whole/findings"));
  EXPECT_EQ(slurp(path("first/coverage.json")), slurp(path("whole/coverage.json")));
  // Built anew where it stands, it goes on; what was mended is another driver.
  EXPECT_EQ(shell(campaign("first", by("somewhere/else"))).status, 1);
  (void)shell(campaign("third", by("right") + "--runs 24"));
  const Ran another = run("merge " + path("first") + " " + path("third"));
  EXPECT_EQ(another.status, 2);
  EXPECT_THAT(another.err, HasSubstr("the driver is another (by its code and data)"));
}

TEST_F(EndlessCampaign, WhatIsKnownDoesNotFailIt) {
  (void)write("known.json",
              R"({"driver": "simple_driver", "findings": [{"id": "a", "rule": "PAGE_REUSE",
 "kind": "*", "why": "for the test"}, {"id": "b", "rule": "CONFLICT_BBM", "kind": "*",
 "why": "for the test"}, {"id": "c", "rule": "TABLE_FREE", "kind": "*", "why": "for the test"}]})");
  const Ran known = shell(campaign("known", "--runs 48 --known " + path("known.json")));
  EXPECT_EQ(known.status, 0) << known.out << known.err;
  EXPECT_EQ(shell(campaign("known", "--runs 72")).status, 1) << "the twin";
  const Ran report = shell(campaign("known", "--runs 72 --format ktap"));
  EXPECT_THAT(report.out, HasSubstr("not ok 1 PAGE_REUSE: "));
}

TEST_F(EndlessCampaign, SaysWhatIsWrong) {
  ASSERT_EQ(shell(campaign("one", "--runs 24")).status, 1);
  const auto says = [&](const std::string& line, int status, const char* text) {
    const Ran ran = shell(line);
    EXPECT_EQ(ran.status, status) << line << ran.out;
    EXPECT_THAT(ran.err, HasSubstr(text)) << line;
  };
  says(campaign("one", "--operations 5"), 2, "--operations is another one than the campaign");
  says(campaign("one", "--driver builtin"), 2, "the driver is another one than the campaign");
  says(campaign("one", "--shard 3/2"), 2, "'3/2' is no I/N");
  says(campaign("two", "--driver /nonexistent.so"), 2, "/nonexistent.so");
  says("mkdir " + path("mine") + " && touch " + path("mine/file") + " && " + campaign("mine"), 2,
       "is not empty, and no campaign");
  says(program() + " merge " + path("one") + " " + path("none"), 2, "there is no campaign");
  says(program() + " merge " + path("one") + " " + path("one"), 2, "that it is to go to");
  says("flock " + path("one/lock") + " " + campaign("one"), 3, "another process works on this");
}

}  // namespace
}  // namespace iommucheck::endless_campaign_test
