// SPDX-License-Identifier: MIT
// `iommucheck campaign`: kills lose nothing, shards and merged folders say what one run says,
// nobody else's folder is touched, and what an earlier version has gathered is not lost.
#include <gmock/gmock.h>

#include <chrono>
#include <map>
#include <random>
#include <set>

#include "tests/cli/command_support.h"
#include "tests/places.h"

namespace iommucheck::endless_campaign_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsSubsetOf;
using ::testing::Not;

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
  /// Findings, corpus, how often each rule was asked, and what was shown.
  void expect_same(const std::string& a, const std::string& b) const {
    EXPECT_EQ(files(a + "/findings"), files(b + "/findings"));
    EXPECT_EQ(files(a + "/corpus"), files(b + "/corpus"));
    for (const char* name : {"/coverage.json", "/features.txt"}) {
      EXPECT_EQ(slurp(path(a + name)), slurp(path(b + name)));
    }
  }
  /// Every byte of the files of that folder of two campaigns, but for their own names.
  void expect_same_bytes(const std::string& a, const std::string& b, const char* folder) const {
    const auto contents = [&](const std::string& campaign) {
      std::map<std::string, std::string> all;
      for (const auto& entry : std::filesystem::directory_iterator(path(campaign + folder))) {
        std::string text = slurp(entry.path());
        for (std::size_t at = text.find(path(campaign)); at != std::string::npos;
             at = text.find(path(campaign))) {
          text.replace(at, path(campaign).size(), "CAMPAIGN");
        }
        all[entry.path().filename()] = std::move(text);
      }
      return all;
    };
    EXPECT_EQ(contents(a), contents(b)) << folder;
  }
  /// The names in features.txt.
  [[nodiscard]] std::set<std::string> features(const std::string& folder) const {
    std::set<std::string> all;
    std::istringstream text(slurp(path(folder + "/features.txt")));
    for (std::string line; std::getline(text, line);) {
      if (!line.empty() && line.front() != '#') all.insert(line);
    }
    return all;
  }
  /// As if that version had written it.
  void make_older(const std::string& folder, const std::string& version) const {
    const std::filesystem::path file = path(folder + "/campaign.json");
    std::string text = slurp(file);
    const std::string key = "\"version\": \"";
    const std::size_t at = text.find(key);
    ASSERT_NE(at, std::string::npos) << text;
    const std::size_t begin = at + key.size();
    text.replace(begin, text.find('"', begin) - begin, version);
    std::ofstream(file) << text;
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

/// Ten kills at moments drawn from all of its time, of the process alone and of all that it has
/// started: not a byte differs in the end.
TEST_F(EndlessCampaign, KilledTenTimesAtRandomMomentsOfWholeSlices) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  const std::string more = " --slice 500 --runs 4000 ";
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(shell(campaign("whole", more)).status, 1);
  const std::chrono::duration<double> whole = std::chrono::steady_clock::now() - begin;
  // So that ten of them come to about the time of the whole run; half of it where it has ended
  // before it was killed that often.
  double longest = whole.count() / 5;
  int kills = 0;
  std::uniform_real_distribution<double> moment(0.02, 1);
  for (int tries = 0; kills < 10 && tries < 100; ++tries) {
    const std::string line = "timeout " + std::string(kills % 2 == 0 ? "" : "--foreground ") +
                             "-s KILL " + std::to_string(longest * moment(random)) + " ";
    if (shell(line + campaign("killed", more)).status == 137) {
      ++kills;
      continue;
    }
    std::filesystem::remove_all(path("killed"));
    kills = 0;
    longest /= 2;
  }
  EXPECT_EQ(kills, 10);
  const Ran rest = shell(campaign("killed", more));
  EXPECT_EQ(rest.status, 1) << rest.err;
  EXPECT_THAT(rest.out, HasSubstr("4,000 sequences in 8 slices"));
  expect_same("whole", "killed");
  for (const char* folder : {"/corpus", "/findings", "/slices"}) {
    expect_same_bytes("whole", "killed", folder);
  }
}

/// What an earlier version has gathered is run again, and what of it nobody can read is told.
TEST_F(EndlessCampaign, WhatAnEarlierVersionHasGatheredIsConverted) {
  ASSERT_EQ(shell(campaign("old", "--runs 96")).status, 1);
  const std::set<std::string> before = features("old");
  const auto findings = files("old/findings");
  make_older("old", "0.0.9");
  // An input of the fuzz target of the first codec, and what is neither that nor lines.
  constexpr unsigned char input[] = {1, 0, 0, 0, 0, 0, 0, 0, 0};
  (void)write("old/corpus/crash-1", {reinterpret_cast<const char*>(input), sizeof input});
  (void)write("old/corpus/mine.txt", "map domain=99\n");
  (void)write("old/corpus/newer", "\x04 of a codec to come");
  const Ran converted = shell(campaign("old", "--runs 24"));
  EXPECT_EQ(converted.status, 1) << converted.out << converted.err;
  EXPECT_THAT(converted.out, AllOf(HasSubstr("version 0.0.9: "), HasSubstr(", 2 cannot be read"),
                                   HasSubstr("sequences of 0.0.9-"), HasSubstr(" in 2 slices")));
  EXPECT_THAT(converted.err, AllOf(HasSubstr("2 of version 0.0.9 cannot be read and are not run"),
                                   HasSubstr("older/0.0.9/corpus/mine.txt:1:5: 'domain=99'"),
                                   HasSubstr("older/0.0.9/corpus/newer: ")));
  EXPECT_THAT(before, IsSubsetOf(features("old"))) << "nothing is lost";
  for (const auto& [name, text] : findings) {
    EXPECT_TRUE(files("old/findings").contains(name)) << name << " is found again";
    EXPECT_TRUE(files("old/older/0.0.9/findings").contains(name)) << name << " as it was";
  }
  const auto corpus = files("old/corpus");
  for (const auto& [name, text] : corpus) EXPECT_THAT(name, testing::EndsWith(".ops"));
  EXPECT_GT(corpus.size(), 5U);
  // Once is enough; what cannot be read is told until somebody has mended or removed it.
  const Ran again = shell(campaign("old", "--runs 24"));
  EXPECT_THAT(again.out, AllOf(Not(HasSubstr("are run again")), Not(HasSubstr("slice 0:"))));
  EXPECT_THAT(again.err, HasSubstr("2 of version 0.0.9 cannot be read"));
  EXPECT_EQ(files("old/corpus"), corpus);
  std::filesystem::remove_all(path("old/older"));
  EXPECT_THAT(shell(campaign("old", "--runs 24")).err, Not(HasSubstr("cannot be read")));
  EXPECT_EQ(files("old/corpus"), corpus);
  // The twin: where nothing else is wrong, it leaves the campaign undecided.
  const std::string right = " --driver builtin --runs 24 ";
  EXPECT_EQ(shell(campaign("right", right)).status, 0);
  make_older("right", "0.0.9");
  EXPECT_EQ(shell(campaign("right", right)).status, 0) << "all was read";
  make_older("right", "0.0.8");
  (void)write("right/corpus/mine.txt", "map domain=99\n");
  EXPECT_EQ(shell(campaign("right", right)).status, 2);
  EXPECT_THAT(slurp(path("right/campaign.json")), Not(HasSubstr("0.0.8")));
}

TEST_F(EndlessCampaign, AConversionThatIsCutShortGoesOn) {
  ASSERT_EQ(shell(campaign("whole", "--runs 240")).status, 1);
  make_older("whole", "../odd version");
  (void)shell("cp -r " + path("whole") + " " + path("killed") + " && cp -r " + path("whole") + " " +
              path("half") + " && cp -r " + path("whole") + " " + path("damaged"));
  const std::string runs = " --runs 24";
  ASSERT_EQ(shell(campaign("whole", runs)).status, 1);
  EXPECT_TRUE(std::filesystem::exists(path("whole/older/v.._odd_version/slices/1-000000.json")));
  // Slices are gone already, and a file of the corpus, which is in none of what is left.
  (void)shell("cd " + path("half") + " && mkdir -p older/v.._odd_version/slices && mv slices/* " +
              "older/v.._odd_version/slices/ && rm $(ls corpus/* | head -1) features.txt");
  ASSERT_EQ(shell(campaign("half", runs)).status, 1);
  EXPECT_EQ(features("half"), features("whole"));
  EXPECT_EQ(files("half/corpus"), files("whole/corpus"));
  for (int i = 1; i <= 6; ++i) {
    (void)shell("timeout -s KILL 0.0" + std::to_string(2 + i) + " " + campaign("killed", runs));
  }
  ASSERT_EQ(shell(campaign("killed", runs)).status, 1);
  expect_same("whole", "killed");
  // A slice that is damaged is told, and the others are not lost with it.
  (void)write("damaged/slices/1-000003.json", "nonsense");
  const Ran damaged = shell(campaign("damaged", runs));
  EXPECT_EQ(damaged.status, 1) << damaged.err;
  EXPECT_THAT(damaged.err, HasSubstr("slices/1-000003.json: no slice of a campaign"));
  EXPECT_EQ(files("damaged/corpus"), files("whole/corpus"));
  // Nobody merges what is not there yet.
  make_older("whole", "0.0.1");
  (void)shell("cp -r " + path("whole") + " " + path("pending") + " && cd " + path("pending") +
              " && mkdir -p older/0.0.1 && mv corpus older/0.0.1/ && rm -r slices");
  make_older("whole", "0.0.2");
  make_older("pending", "0.0.2");
  const Ran merged = run("merge " + path("whole") + " " + path("pending"));
  EXPECT_EQ(merged.status, 2);
  EXPECT_THAT(merged.err, HasSubstr("sequences of version 0.0.1 were not run yet"));
}

/// Features have names, and the blocks of a driver that counts them stand beside.
TEST_F(EndlessCampaign, ItsCoverageHasNamesAndGrows) {
  const Ran plain = shell(campaign("plain", "--runs 96"));
  EXPECT_THAT(plain.out, AllOf(HasSubstr(" rules by situation"), HasSubstr("growth: "),
                               HasSubstr(" with 4 slices"), Not(HasSubstr("of the driver"))));
  const std::set<std::string> names = features("plain");
  for (const char* name :
       {"map: ok", "unmap: ok, of its size behind map", "rule PAGE_REUSE", "PAGE_REUSE in unmap"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
  for (const std::string& name : names) {
    EXPECT_THAT(name, AllOf(Not(HasSubstr("0x")), Not(HasSubstr("unknown")),
                            Not(HasSubstr("something else"))));
  }
  const std::string driver = path("counting.so");
  const Ran built = run("cc --coverage -O1 -g -shared -I " + test::in_tree("include") + " -o " +
                        driver + " " + test::in_tree("examples/simple_driver.c"));
  ASSERT_EQ(built.status, 0) << built.err;
  const auto blocks = [&](const std::string& runs) {
    const Ran ran = shell(campaign("counted", "--driver " + driver + " --runs " + runs));
    EXPECT_THAT(ran.out, HasSubstr(" blocks of the driver (+"));
    const std::string text = slurp(path("counted/features.txt"));
    const std::size_t at = text.find("# the driver: ");
    return at == std::string::npos ? 0UL : std::stoul(text.substr(at + 14));
  };
  const unsigned long few = blocks("2 --slice 24");
  EXPECT_GT(few, 0U);
  EXPECT_GT(blocks("96"), few);
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

/// What is made of the slices can be made again: without a place for it the verdict stands.
TEST_F(EndlessCampaign, ItsVerdictNeedsNoSummary) {
  ASSERT_EQ(shell(campaign("one", "--runs 48")).status, 1);
  (void)shell("rm " + path("one") + "/features.txt && mkdir " + path("one") + "/features.txt");
  const Ran ran = shell(campaign("one", "--runs 48"));
  EXPECT_EQ(ran.status, 1) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr("one/features.txt: cannot create"));
  EXPECT_THAT(ran.out, HasSubstr("VIOLATED"));
}

/// A slice whose worker was killed is no slice, but what it had found by then was found.
TEST_F(EndlessCampaign, WhatWasFoundBeforeAWorkerWasKilledIsTold) {
  const std::string driver =
      " --driver " + test::in_build("test-plugins/faulty_killed_buggy.so") + " --runs 400 -j1 ";
  int met = 0;
  for (int seed = 1; seed <= 10 && met == 0; ++seed) {
    const std::string its = driver + "--seed " + std::to_string(seed);
    const Ran check = run("check --no-shrink --out ''" + its);
    if (check.status != 1 || !check.err.contains("SIGKILL")) continue;
    ++met;
    const Ran ran = run("campaign " + path("killed") + " --slice 400" + its);
    EXPECT_EQ(ran.status, 1) << ran.out;
    EXPECT_THAT(ran.out, AllOf(HasSubstr("VIOLATION PAGE_REUSE"),
                               HasSubstr("VIOLATED PAGE_REUSE, 0 sequences in 0 slices")));
    EXPECT_THAT(ran.err, HasSubstr("SIGKILL"));
  }
  EXPECT_EQ(met, 1) << "of no seed something is found before it is killed";
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
