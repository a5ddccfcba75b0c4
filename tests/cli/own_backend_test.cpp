// SPDX-License-Identifier: MIT
// `iommucheck conform --backend`: exit statuses, and that what it shows can be run again.
#include <gmock/gmock.h>

#include "tests/cli/command_support.h"
#include "tests/places.h"

namespace iommucheck::own_backend_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

const std::string small = test::in_build("examples/small_backend.so");
const std::string twin = test::in_build("examples/small_backend_forgets_maps.so");

using OwnBackend = Command;

TEST_F(OwnBackend, ThatHoldsEndsWithStatus0) {
  const Ran ran = run("conform --backend " + small + " --seed 1 --runs 4");
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("against the interface: holds"), HasSubstr(" 0 failed"),
                             HasSubstr("4 sequences, 0 rules broken")));
}

TEST_F(OwnBackend, ShowsTheShortestSequenceAndRunsItAgain) {
  const std::string begin = "conform --backend ";
  const Ran ran = run(begin + twin + " --seed 1 --runs 2 --out " + path("o"));
  EXPECT_EQ(ran.status, 1) << ran.out << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("BROKEN PROMISE_OUTCOME (promise), at fault: backend"),
                             HasSubstr("in sequence 0 of seed 1"), HasSubstr("FAIL   SEC-02")));
  const std::string file = path("o") + "/PROMISE_OUTCOME.scenario";
  EXPECT_THAT(slurp(file), HasSubstr("map(d0, "));
  const Ran again = run(begin + twin + " --replay " + file);
  EXPECT_EQ(again.status, 1) << again.out << again.err;
  EXPECT_THAT(again.out, HasSubstr("PROMISE_OUTCOME is broken"));
  EXPECT_EQ(run(begin + small + " --replay " + file).status, 0);
  EXPECT_EQ(run(begin + "two --replay " + file).status, 0);
}

TEST_F(OwnBackend, WhatCannotBeRunIsStatus2) {
  const std::pair<std::string, const char*> all[] = {
      {"--backend nope", "No such file"},
      {"--backend /dev/null", "is no regular file"},
      {"--backend two --device spec", "--device excludes --backend"},
      {"--backend two --cases 3", "--backend excludes --cases"},
      {"--runs 3", "--runs requires --backend"},
      {"--backend two --replay " + write("bad.scenario", "@ A x y\n  nonsense\n"), "bad.scenario:"},
  };
  for (const auto& [arguments, text] : all) {
    const Ran ran = run("conform " + arguments);
    EXPECT_EQ(ran.status, 2) << arguments << "\n" << ran.out;
    EXPECT_THAT(ran.err, HasSubstr(text)) << arguments;
  }
}

}  // namespace
}  // namespace iommucheck::own_backend_test
