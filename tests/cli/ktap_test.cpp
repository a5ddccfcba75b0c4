// SPDX-License-Identifier: MIT
// --format ktap and --report FILE.ktap of each command that judges: a result for each rule, test or
// scenario; and Linux's own reader, where a tree is given (IOMMUCHECK_LINUX).
#include <gmock/gmock.h>

#include "spec/rules.h"
#include "tests/cli/command_support.h"
#include "tests/places.h"
#include "tests/report/ktap_support.h"

namespace iommucheck::ktap_test {
namespace {

using oracle::KtapTest;
using ::testing::HasSubstr;

class KtapOfCommands : public Command {
 protected:
  static KtapTest read(const std::string& text) {
    auto all = oracle::parse_ktap(text);
    EXPECT_TRUE(all.has_value()) << (all ? "" : all.error()) << "\n" << text;
    return all ? std::move(*all) : KtapTest{};
  }
  static std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    return text;
  }
};

TEST_F(KtapOfCommands, CheckAndTheReplayOfItsTrace) {
  const std::string out = path("out.d");
  const Ran ran = run("check --findings 1 --seed 1 --runs 300 --machine default --driver " +
                      test::in_build("examples/simple_driver_buggy.so") + " --format ktap --out " +
                      out + " --report " + path("a.ktap"));
  EXPECT_EQ(ran.status, 1) << ran.err;
  EXPECT_EQ(slurp(path("a.ktap")), ran.out);
  const KtapTest rules = read(ran.out).find("check simple_driver");
  EXPECT_FALSE(rules.ok);
  EXPECT_FALSE(rules.find("PAGE_REUSE").ok);
  EXPECT_THAT(joined(rules.find("PAGE_REUSE").diagnostics), HasSubstr("nearest miss"));
  // Each rule of drivers once, and nothing else that is not ok.
  EXPECT_EQ(rules.count(false), 1U);
  EXPECT_GT(rules.subtests.size(), 40U);
  for (const KtapTest& one : rules.subtests) EXPECT_TRUE(spec::find_rule(one.name)) << one.name;

  const Ran again = run("replay --format ktap " + out + "/finding-PAGE_REUSE-1.trace.jsonl");
  EXPECT_EQ(again.status, 1) << again.err;
  const KtapTest all = read(again.out);
  ASSERT_FALSE(all.subtests.empty());
  EXPECT_FALSE(all.subtests.front().find("PAGE_REUSE").ok);
}

TEST_F(KtapOfCommands, ScenarioLitmusAndConform) {
  const std::string scenarios = test::in_tree("scenario/files/examples");
  const Ran stories = run("scenario --format ktap " + scenarios + "/*.scenario");
  EXPECT_EQ(stories.status, 0) << stories.err;
  EXPECT_FALSE(read(stories.out).subtests.empty());

  const std::string wrong =
      "test t\ninit use std\nrun store word B 1 0\nrun barrier\naccess 1 0x1000 r -> P1\n";
  const Ran litmus = run("litmus --format ktap " + write("t.litmus", wrong));
  EXPECT_EQ(litmus.status, 1) << litmus.err;
  const KtapTest tests = read(litmus.out);
  ASSERT_EQ(tests.subtests.size(), 1U);
  EXPECT_FALSE(tests.subtests[0].ok);
  EXPECT_EQ(tests.subtests[0].subtests.at(0).name, "t");

  const Ran device =
      run("conform --device spec --seed 1 --only '*nothing*' --cases 3 --format ktap");
  EXPECT_FALSE(read(device.out).subtests.empty()) << device.err;
}

/// Where nothing is decided a reader does not take silence for success.
TEST_F(KtapOfCommands, WithoutAVerdictSomethingIsNotOk) {
  const Ran ran = run("check --driver /nonexistent.so --format ktap");
  EXPECT_EQ(ran.status, 2);
  const KtapTest all = read(ran.out);
  ASSERT_EQ(all.subtests.size(), 1U);
  EXPECT_EQ(all.subtests[0].subtests.at(0).directive, "ERROR");
}

TEST_F(KtapOfCommands, IsReadByTheKernelsParser) {
  const char* tree = std::getenv("IOMMUCHECK_LINUX");
  if (tree == nullptr) GTEST_SKIP() << "IOMMUCHECK_LINUX names no Linux tree";
  const std::string first = std::string(tree).substr(0, std::string(tree).find(':'));
  (void)run("check --findings 1 --seed 1 --runs 300 --machine default --out '' --driver " +
            test::in_build("examples/simple_driver_buggy.so") + " --report " + path("a.ktap"));
  const Ran ran =
      shell("python3 " + first + "/tools/testing/kunit/kunit.py parse " + path("a.ktap"));
  EXPECT_EQ(ran.status, 1) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("[FAILED] PAGE_REUSE"));
  EXPECT_THAT(ran.out, ::testing::Not(HasSubstr("[ERROR]")));
  EXPECT_THAT(ran.out, ::testing::Not(HasSubstr("CRASHED")));
}

}  // namespace
}  // namespace iommucheck::ktap_test
