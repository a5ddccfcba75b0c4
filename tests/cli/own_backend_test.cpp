// SPDX-License-Identifier: MIT
// `iommucheck check --backend` and `scenario --backend`: exit statuses, and that what they show can
// be run, judged and explained again.
#include <gmock/gmock.h>

#include <filesystem>

#include "tests/cli/command_support.h"
#include "tests/places.h"

namespace iommucheck::own_backend_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string small = test::in_build("test-plugins/small_backend.so");
const std::string twin = test::in_build("test-plugins/small_backend_forgets_maps.so");

using OwnBackend = Command;

TEST_F(OwnBackend, ThatHoldsEndsWithStatus0) {
  const Ran ran = run("check --backend " + small + " --seed 1 --runs 40 --out " + path("o"));
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("backend small against the interface: holds, 40 sequences"),
                             HasSubstr("claimed rules hold")));
}

/// What it says is why, on every machine, and not that something hangs.
TEST_F(OwnBackend, ThatNeverComesUpEndsWithStatus2) {
  for (const auto& [name, text] :
       {std::pair{"open", "the backend's open gave NULL"}, std::pair{"info", "page_sizes 0x3"},
        std::pair{"begin_reset", "begin_reset answered 77"}}) {
    const Ran ran = run("check --backend " + test::in_build("test-plugins/backend_") + name +
                        ".so --seed 1 --runs 40 --hang 3 --out " + path(name));
    EXPECT_EQ(ran.status, 2) << ran.out << ran.err;
    EXPECT_THAT(ran.err, AllOf(HasSubstr("does not come up on machine"),
                               HasSubstr("nor on one of 39 others: "), HasSubstr(text)));
    EXPECT_THAT(ran.out, Not(HasSubstr("VIOLATION")));
  }
}

TEST_F(OwnBackend, ThatAnswersWhatCannotBeIsFoundByThat) {
  for (const auto& [name, text] :
       {std::pair{"flush", "flush answered 77"}, std::pair{"why", "gave a why at 0x8"},
        std::pair{"map", "answered 0 and did"}, std::pair{"map_number", "map answered -77"}}) {
    const Ran ran = run("check --backend " + test::in_build("test-plugins/backend_") + name +
                        ".so --seed 1 --runs 40 --findings 1 --out " + path(name));
    EXPECT_EQ(ran.status, 1) << ran.out << ran.err;
    EXPECT_THAT(ran.out, AllOf(HasSubstr("VIOLATION CRASH_NEVER"), HasSubstr(text))) << name;
  }
}

/// The whole of what a driver's campaign has: the same result for any number of processes, known
/// findings, a corpus, traces that are judged again by the hardware that they name.
TEST_F(OwnBackend, IsTheCampaignOfADriver) {
  const std::string begin = "check --backend " + twin + " --seed 1 --runs 400 --findings 1 ";
  const Ran ran = run(begin + "-j 2 --corpus " + path("c") + " --write-known " + path("k.json") +
                      " --out " + path("o"));
  EXPECT_EQ(ran.status, 1) << ran.out << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("VIOLATION PROMISE_OUTCOME (promise)"),
                             HasSubstr("the shortest sequence ("), HasSubstr("kind: ")));
  EXPECT_FALSE(std::filesystem::is_empty(path("c")));
  std::string trace;
  for (const auto& file : std::filesystem::directory_iterator(path("o"))) trace = file.path();
  ASSERT_THAT(trace, HasSubstr("finding-PROMISE_OUTCOME"));
  const Ran again = run("replay --backend " + twin + " " + trace);
  EXPECT_EQ(again.status, 1) << again.out << again.err;
  EXPECT_THAT(again.out, HasSubstr("VIOLATION PROMISE_OUTCOME"));
  EXPECT_EQ(run("replay --driver builtin --backend " + twin + " " + trace).status, 1);
  EXPECT_EQ(run("replay --driver builtin --backend " + small + " " + trace).status, 0);
  EXPECT_THAT(run("explain --backend " + twin + " " + trace + " 0x1 0x1000").out,
              HasSubstr("promised: "));
  // An object that only a trace names is not loaded.
  const Ran alone = run("replay " + trace);
  EXPECT_EQ(alone.status, 2) << alone.out;
  EXPECT_THAT(alone.err, HasSubstr("name its object with --backend"));
  const Ran one = run(begin + "-j 1 --out " + path("p"));
  EXPECT_EQ(one.status, 1) << one.out;
  EXPECT_EQ(run(begin + "--known " + path("k.json") + " --allow PROMISE_OUTCOME --allow " +
                "PROMISE_TRANSIENT --out " + path("p"))
                .status,
            0);
}

TEST_F(OwnBackend, RunsTheScenariosThatTheCommandCarries) {
  const Ran ran = run("scenario -q --backend two");
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, HasSubstr(" 0 failed"));
  const Ran broken = run("scenario -q --backend " + twin);
  EXPECT_EQ(broken.status, 1) << broken.out << broken.err;
  EXPECT_THAT(broken.out, HasSubstr("FAIL   SEC-02"));
}

TEST_F(OwnBackend, WhatCannotBeRunIsStatus2) {
  const std::pair<std::string, const char*> all[] = {
      {"check --backend nope --runs 1", "No such file"},
      {"scenario --backend /dev/null", "is no regular file"},
      {"check --backend two --runs 1 --coverage", "--backend excludes"},
      {"check --backend two --runs 1 --driver ./mine.so", "a backend is driven by the core"},
      {"scenario --backend two --driver builtin", "--driver"},
      {"scenario --backend two " + write("bad.scenario", "@ A x y\n  nonsense\n"), "bad.scenario:"},
  };
  for (const auto& [arguments, text] : all) {
    const Ran ran = run(arguments);
    EXPECT_EQ(ran.status, 2) << arguments << "\n" << ran.out;
    EXPECT_THAT(ran.err, HasSubstr(text)) << arguments;
  }
}

}  // namespace
}  // namespace iommucheck::own_backend_test
