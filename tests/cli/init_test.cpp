// SPDX-License-Identifier: MIT
// `iommucheck init`: what it writes builds and is judged as it is, and nothing is overwritten.
#include <gmock/gmock.h>

#include <set>
#include <string>
#include <vector>

#include "tests/cli/command_support.h"
#include "tests/places.h"
#include "trace/json_value.h"

namespace iommucheck::init_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Init : public Command {
 protected:
  /// A script of the folder `name`, by the program under test.
  Ran script(const std::string& name, const std::string& more) const {
    return shell("IOMMUCHECK=" + program() + " sh " + path(name) + more);
  }
  /// `kind` in a folder of its name, built.
  void begin(const std::string& kind) const {
    const Ran made = run("init " + kind + " " + path(kind));
    ASSERT_EQ(made.status, 0) << made.err;
    EXPECT_THAT(made.out, HasSubstr("Next:\n"));
    EXPECT_THAT(made.out, HasSubstr("sh " + path(kind) + "/build.sh\n"));
    EXPECT_THAT(made.out, HasSubstr("sh " + path(kind) + "/check.sh\n"));
    const Ran built = script(kind + "/build.sh", "");
    ASSERT_EQ(built.status, 0) << built.out << built.err;
  }
  /// The line of driver.c at which a report in JSON has its first finding.
  std::string line_found(const std::string& report) const {
    const auto json = trace::parse_json(slurp(path(report)));
    if (!json || json->find("findings")->value.items.empty()) return "no finding";
    const auto* number = json->find("findings")->value.items[0].find("file_line");
    std::ifstream source(path("driver/driver.c"));
    std::string line = "no line";
    for (u64 i = 0; number != nullptr && i < number->value.number; ++i) std::getline(source, line);
    return line;
  }
};

TEST_F(Init, ADriverIsBuiltAndHolds) {
  begin("driver");
  const Ran judged = script("driver/check.sh", " --runs 200 --report out.sarif");
  EXPECT_EQ(judged.status, 0) << judged.out << judged.err;
  EXPECT_THAT(judged.out, HasSubstr("driver driver against spec: holds"));
  EXPECT_TRUE(std::filesystem::exists(path("driver/out.sarif")));
}

/// The twin: with its invalidation taken out the same scripts fail, at a line of the source.
TEST_F(Init, ADriverThatForgetsIsFoundAtALineOfItsSource) {
  ASSERT_EQ(run("init driver " + path("driver")).status, 0);
  const std::string source = slurp(path("driver/driver.c"));
  std::ofstream(path("driver/driver.c")) << "#define FORGET_THE_INVALIDATION\n" << source;
  ASSERT_EQ(script("driver/build.sh", "").status, 0);
  const Ran judged = script("driver/check.sh", " --runs 300 --findings 1 --report out.json");
  EXPECT_EQ(judged.status, 1) << judged.out << judged.err;
  EXPECT_THAT(judged.out, HasSubstr("VIOLATION PAGE_REUSE"));
  EXPECT_THAT(judged.out, HasSubstr(", by put at driver.c:"));
  EXPECT_THAT(judged.out, HasSubstr(", in unmap at driver.c:"));
  // A report has the line of unmap, not that of the helper which stores for everybody.
  const std::string shown = line_found("driver/out.json");
  EXPECT_THAT(shown, HasSubstr("put(d, slot, 0);"));
  // The twin: unoptimised, nothing says who called the helper.
  ASSERT_EQ(shell("sed -i 's/ -O2 / /' " + path("driver/build.sh")).status, 0);
  ASSERT_EQ(script("driver/build.sh", "").status, 0);
  EXPECT_EQ(script("driver/check.sh", " --runs 300 --findings 1 --report out.json").status, 1);
  EXPECT_THAT(line_found("driver/out.json"), HasSubstr("static void put("));
}

/// As two machines see it: in folders of their own, from other seeds. One name, at a line of the
/// source, in each form of report and in a campaign's.
TEST_F(Init, OneMistakeHasOneNameEverywhere) {
  const auto names = [&](const std::string& folder, const std::string& seed) {
    EXPECT_EQ(run("init driver " + path(folder)).status, 0);
    const std::string source = slurp(path(folder + "/driver.c"));
    std::ofstream(path(folder + "/driver.c")) << "#define FORGET_THE_INVALIDATION\n" << source;
    EXPECT_EQ(script(folder + "/build.sh", "").status, 0);
    const Ran judged =
        script(folder + "/check.sh", " --runs 600 --no-shrink --seed " + seed +
                                         " --report a.json --report a.sarif --report a.xml");
    EXPECT_EQ(judged.status, 1) << judged.err;
    std::vector<std::string> found;
    const auto json = trace::parse_json(slurp(path(folder + "/a.json")));
    if (!json) return found;
    for (const auto& finding : json->find("findings")->value.items) {
      found.push_back(finding.find("fingerprint")->value.text);
      EXPECT_EQ(finding.find("file")->value.text, "driver.c");
      EXPECT_NE(finding.find("file_line")->value.number, 0U);
      EXPECT_THAT(slurp(path(folder + "/a.sarif")),
                  AllOf(HasSubstr("\"iommucheckCause/v1\": \"" + found.back() + "\""),
                        HasSubstr("\"uri\": \"driver.c\"")));
      EXPECT_THAT(
          slurp(path(folder + "/a.xml")),
          AllOf(HasSubstr("<property name=\"fingerprint\" value=\"" + found.back() + "\"/>"),
                HasSubstr(" file=\"driver.c\" line=\"")));
    }
    return found;
  };
  const std::vector<std::string> here = names("here", "1");
  const std::vector<std::string> there = names("some/where/else", "2");
  ASSERT_FALSE(here.empty());
  EXPECT_THAT(there, ::testing::Contains(here.front()));
  EXPECT_EQ(std::set(here.begin(), here.end()).size(), here.size()) << "one name, one finding";
  const Ran ran = shell("cd " + path("here") + " && " + program() +
                        " campaign c --driver ./driver.so --seed 1 --runs 200 --slice 200 "
                        "--no-shrink --report c.sarif");
  EXPECT_EQ(ran.status, 1) << ran.err;
  EXPECT_THAT(slurp(path("here/c.sarif")),
              AllOf(HasSubstr("\"iommucheckCause/v1\": \"" + here.front() + "\""),
                    HasSubstr("\"uri\": \"driver.c\"")));
}

TEST_F(Init, ADeviceIsBuiltAndHolds) {
  begin("device");
  const Ran judged = script("device/check.sh", " --only 'register*'");
  EXPECT_THAT(judged.out, HasSubstr("device device 1.0 against spec: ")) << judged.err;
  EXPECT_THAT(judged.out, HasSubstr(", 0 new, 0 vanished")) << judged.out;
  EXPECT_EQ(judged.status, 0) << judged.out;
}

TEST_F(Init, ABackendIsBuiltAndJudged) {
  begin("backend");
  const Ran judged = script("backend/check.sh", " --runs 50 --out ''");
  EXPECT_EQ(judged.status, 0) << judged.out << judged.err;
  EXPECT_THAT(judged.out, HasSubstr(" 0 failed"));
  EXPECT_THAT(judged.out, HasSubstr("against the interface: holds, 50 sequences"));
}

/// A scenario that fails takes no report with it.
TEST_F(Init, ABackendThatIsWrongHasItsReport) {
  begin("backend");
  std::filesystem::copy_file(test::in_build("test-plugins/small_backend_forgets_maps.so"),
                             path("backend/backend.so"),
                             std::filesystem::copy_options::overwrite_existing);
  const Ran judged = script("backend/check.sh", " --runs 50 --findings 1 --report out.xml");
  EXPECT_EQ(judged.status, 1) << judged.out << judged.err;
  EXPECT_THAT(judged.out, HasSubstr(" failed, "));
  EXPECT_THAT(slurp(path("backend/out.xml")), HasSubstr("PROMISE_OUTCOME"));
}

TEST_F(Init, AWorkflowRunsWhatIsThere) {
  ASSERT_EQ(run("init driver " + path("driver")).status, 0);
  const std::string before = slurp(path("driver/build.sh"));
  const Ran made = run("init ci " + path("driver"));
  ASSERT_EQ(made.status, 0) << made.err;
  EXPECT_THAT(made.out, HasSubstr("kept    " + path("driver/build.sh")));
  EXPECT_EQ(slurp(path("driver/build.sh")), before);
  const std::string github = slurp(path("driver/.github/workflows/iommucheck.yml"));
  EXPECT_THAT(github, HasSubstr("run: sh build.sh\n"));
  EXPECT_THAT(github, Not(HasSubstr("@VERSION@")));
  EXPECT_THAT(slurp(path("driver/.gitlab-ci.yml")), HasSubstr("sh check.sh --out out --report"));
  // As a reader of YAML sees them, where there is one: the steps that judge are run as they stand.
  const Ran read = shell(
      "cd " + path("driver") +
      " && python3 -c 'import yaml, sys\n"
      "jobs = yaml.safe_load(open(\".github/workflows/iommucheck.yml\"))[\"jobs\"]\n"
      "yaml.safe_load(open(\".gitlab-ci.yml\"))[\"iommucheck\"][\"script\"]\n"
      "print(\"\\n\".join(s[\"run\"] for s in jobs[\"judge\"][\"steps\"] if s.get(\"name\") in "
      "(\"Build\", \"Judge\")))'");
  if (read.err.contains("No module named")) GTEST_SKIP() << "no python3-yaml";
  ASSERT_EQ(read.status, 0) << read.err;
  // Cheaper than a CI's.
  (void)write("steps.sh", "set -e\ncd " + path("driver") + "\n" + read.out);
  const Ran ran = shell("sed -i 's/--runs 20000/--runs 100/' " + path("driver/check.sh") +
                        " && IOMMUCHECK=" + program() + " sh " + path("steps.sh"));
  EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
  EXPECT_TRUE(std::filesystem::exists(path("driver/out/iommucheck.sarif")));
}

TEST_F(Init, NothingIsOverwritten) {
  ASSERT_EQ(run("init driver " + path("d")).status, 0);
  std::ofstream(path("d/driver.c")) << "mine\n";
  const Ran again = run("init driver " + path("d"));
  EXPECT_EQ(again.status, 2);
  EXPECT_EQ(again.out, "");
  EXPECT_THAT(again.err, HasSubstr("d/driver.c, "));
  EXPECT_THAT(again.err, HasSubstr("are there already: nothing was written"));
  EXPECT_EQ(slurp(path("d/driver.c")), "mine\n");
  ASSERT_EQ(run("init ci " + path("d")).status, 0);
  EXPECT_EQ(run("init ci " + path("d")).status, 2);
  // A link that leads nowhere is somebody's, too.
  ASSERT_EQ(run("init device " + path("e")).status, 0);
  std::filesystem::remove(path("e/device.c"));
  std::filesystem::create_symlink("/nowhere", path("e/device.c"));
  EXPECT_EQ(run("init device " + path("e")).status, 2);
}

TEST_F(Init, SaysWhatIsWrong) {
  const Ran none = run("init");
  EXPECT_EQ(none.status, 2);
  EXPECT_THAT(none.err, HasSubstr("kind is required"));
  const Ran other = run("init kernel");
  EXPECT_EQ(other.status, 2);
  EXPECT_THAT(other.err, HasSubstr("kernel not in {driver,device,backend,ci}"));
  EXPECT_EQ(run("init driver /proc/none").status, 3);
}

}  // namespace
}  // namespace iommucheck::init_test
