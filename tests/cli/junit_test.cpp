// SPDX-License-Identifier: MIT
// --format junit as CI systems read it: valid, with every rule, file or test, and its evidence.
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "spec/rules.h"
#include "tests/capi/door_support.h"
#include "tests/places.h"
#include "tests/report/xml_support.h"
#include "trace/trace_file.h"

namespace iommucheck::junit_test {
namespace {

using oracle::XmlElement;

class JunitCommand : public ::testing::Test {
 protected:
  JunitCommand()
      : folder_(std::filesystem::temp_directory_path() /
                ("junit_test." + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~JunitCommand() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }
  std::string write(const std::string& name, std::string_view text) const {
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }
  /// The suite that the command writes; fails the test if it is no valid document with one.
  XmlElement run(const std::string& arguments, int status) const {
    const auto program =
        std::filesystem::read_symlink("/proc/self/exe").parent_path() / "iommucheck";
    const std::string line = program.string() + " " + arguments + " --format junit >" +
                             path("out") + " 2>" + path("err");
    const int ended = std::system(line.c_str());
    EXPECT_EQ(WEXITSTATUS(ended), status) << arguments;
    std::ostringstream text;
    text << std::ifstream(folder_ / "out").rdbuf();
    const auto document = oracle::parse_xml(text.str());
    EXPECT_TRUE(document) << text.str();
    if (!document) return {};
    EXPECT_EQ(document->name, "testsuites");
    const auto suites = document->all("testsuite");
    EXPECT_EQ(suites.size(), 1u);
    return suites.empty() ? XmlElement{} : *suites[0];
  }
  static const XmlElement* case_of(const XmlElement& suite, std::string_view name) {
    for (const XmlElement* one : suite.all("testcase")) {
      if (one->attributes.at("name") == name) return one;
    }
    return nullptr;
  }

 private:
  std::filesystem::path folder_;
};

std::string litmus_text(const std::string& name, const char* set) {
  return "prelude one" + name + "\n  ste 1 cfg=s1 cd=C1\n  cd C1 asid=5 ttb=R\n" +
         "  word R 0 table A\n  word A 0 table B\n  word B 1 page P1 rw\n" + "test " + name +
         "\ninit use one" + name + "\nrun store word B 1 0\nrun barrier\naccess 1 0x1000 r -> " +
         set + "\ndriver ok\n";
}

TEST_F(JunitCommand, LitmusHasACaseForEachTest) {
  const std::string good = write("good.litmus", litmus_text("right", "F_TRANSLATION P1"));
  const std::string bad = write("bad.litmus", litmus_text("wrong", "P1"));
  const std::string broken = write("broken.litmus", "nonsense\n");
  const XmlElement suite = run("litmus " + good + " " + bad, 1);
  EXPECT_EQ(suite.attributes.at("tests"), "2");
  EXPECT_EQ(suite.attributes.at("failures"), "1");
  ASSERT_NE(case_of(suite, "right"), nullptr);
  EXPECT_TRUE(case_of(suite, "right")->all("failure").empty());
  const XmlElement* wrong = case_of(suite, "wrong");
  ASSERT_NE(wrong, nullptr);
  EXPECT_EQ(wrong->attributes.at("file"), bad);
  EXPECT_EQ(wrong->attributes.at("line"), "7");
  ASSERT_EQ(wrong->all("failure").size(), 1u);
  EXPECT_NE(wrong->all("failure")[0]->text.find("allowed  F_TRANSLATION P1"), std::string::npos);

  const XmlElement unread = run("litmus " + broken + " " + good, 2);
  EXPECT_EQ(unread.attributes.at("errors"), "1");
  EXPECT_EQ(unread.attributes.at("tests"), "2");
}

TEST_F(JunitCommand, CheckHasACaseForEachRule) {
  const XmlElement good = run("check --runs 30 --seed 5 --out ''", 0);
  EXPECT_EQ(good.attributes.at("failures"), "0");
  EXPECT_NE(good.attributes.at("skipped"), "0");
  u64 kept_by_driver = 0;
  for (const spec::RuleInfo& rule : spec::all_rules()) {
    if (rule.keeper != spec::Keeper::driver) continue;
    ++kept_by_driver;
    EXPECT_NE(case_of(good, rule.name), nullptr) << rule.name;
  }
  EXPECT_EQ(good.all("testcase").size(), kept_by_driver);
  for (const XmlElement* one : good.all("testcase")) {
    for (const XmlElement* skipped : one->all("skipped")) {
      EXPECT_NE(skipped->attributes.at("message"), "") << one->attributes.at("name");
    }
  }

  const XmlElement bad =
      run("check --findings 1 --driver " +
              test::in_build("examples/simple_driver_buggy.so --seed 1 --runs 200 --out ") +
              path("found"),
          1);
  const XmlElement* reuse = case_of(bad, "PAGE_REUSE");
  ASSERT_NE(reuse, nullptr);
  ASSERT_EQ(reuse->all("failure").size(), 1u);
  const std::string& text = reuse->all("failure")[0]->text;
  for (const char* part : {"at fault: driver", "nearest miss", "iommucheck replay "}) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
  std::string seed;
  for (const XmlElement* property : bad.all("properties").at(0)->all("property")) {
    if (property->attributes.at("name") == "seed") seed = property->attributes.at("value");
  }
  EXPECT_EQ(seed, "1");
}

TEST_F(JunitCommand, ReplayHasTheTraceAndEachRule) {
  ASSERT_TRUE(trace::write_trace(oracle::broken_trace(), path("bad.trace.gz")));
  ASSERT_TRUE(trace::write_trace(oracle::clean_trace(), path("good.trace")));
  const XmlElement good = run("replay " + path("good.trace"), 0);
  EXPECT_EQ(good.attributes.at("failures"), "0");
  const XmlElement bad = run("replay " + path("bad.trace.gz"), 1);
  EXPECT_EQ(bad.attributes.at("failures"), "2");  // each finding in the case of its rule
  const auto cases = bad.all("testsuite").empty() ? bad.all("testcase")
                                                  : bad.all("testsuite").at(0)->all("testcase");
  EXPECT_EQ(std::ranges::count_if(
                cases, [](const XmlElement* one) { return one->all("failure").size() == 1; }),
            2);
  EXPECT_NE(bad.attributes.at("name").find(path("bad.trace.gz")), std::string::npos);
}

}  // namespace
}  // namespace iommucheck::junit_test
