// SPDX-License-Identifier: MIT
// --report FILE: text, JSON, JUnit and SARIF from one run, with the same finding in each; written
// also where the run comes to no verdict.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/places.h"
#include "tests/report/json_schema_support.h"
#include "tests/report/xml_support.h"
#include "trace/json_value.h"

namespace iommucheck::report_files_test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using trace::JsonValue;

std::string content(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class ReportFiles : public ::testing::Test {
 protected:
  ReportFiles()
      : folder_(std::filesystem::temp_directory_path() /
                ("report_files_test." + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~ReportFiles() override { std::filesystem::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const { return folder_ / name; }
  [[nodiscard]] std::string read(const std::string& name) const { return content(folder_ / name); }
  [[nodiscard]] JsonValue json(const std::string& name) const {
    auto value = trace::parse_json(read(name));
    EXPECT_TRUE(value.has_value()) << name << ": " << read(name);
    return value ? std::move(*value) : JsonValue{};
  }
  /// With a report of each form, a.txt to a.sarif.
  void run(const std::string& arguments, int status) const {
    const auto program =
        std::filesystem::read_symlink("/proc/self/exe").parent_path() / "iommucheck";
    const std::string line = program.string() + " " + arguments + " --report " + path("a.txt") +
                             " --report " + path("a.json") + " --report junit:" + path("b") +
                             " --report " + path("a.sarif") + " >" + path("out") + " 2>" +
                             path("err");
    EXPECT_EQ(WEXITSTATUS(std::system(line.c_str())), status) << line << "\n" << read("err");
  }
  void expect_sarif() const {
    const auto schema =
        trace::parse_json(content(test::in_tree("tests/data/sarif/sarif-2.1.0.schema.json")));
    ASSERT_TRUE(schema.has_value());
    EXPECT_THAT(oracle::validate(json("a.sarif"), *schema), IsEmpty());
    for (const std::string& one : schemas()) EXPECT_EQ(validated("a.sarif", one), "");
  }
  /// Ours, by somebody else's validator; and the official one, where IOMMUCHECK_SARIF_SCHEMA says
  /// where that lies: it is not in the tree. None where there is no validator.
  static std::vector<std::string> schemas() {
    if (std::system("/usr/bin/python3 -c 'import jsonschema' 2>/dev/null") != 0) return {};
    std::vector<std::string> all = {test::in_tree("tests/data/sarif/sarif-2.1.0.schema.json")};
    const char* official = std::getenv("IOMMUCHECK_SARIF_SCHEMA");
    if (official != nullptr) all.emplace_back(official);
    return all;
  }
  /// What python3-jsonschema has against it.
  [[nodiscard]] std::string validated(const std::string& name, const std::string& schema) const {
    const std::string line =
        "/usr/bin/python3 -c 'import json, jsonschema, sys; schema, log = (json.load(open(f)) for "
        "f in "
        "sys.argv[1:]); print(*(e.message for e in "
        "jsonschema.Draft7Validator(schema).iter_errors(log)), "
        "sep=\"\\n\", end=\"\")' " +
        schema + " " + path(name) + " >" + path("wrong") + " 2>&1";
    EXPECT_EQ(std::system(line.c_str()), 0) << read("wrong");
    return read("wrong");
  }
  [[nodiscard]] std::string junit_number(const char* name) const {
    const auto document = oracle::parse_xml(read("b"));
    if (!document) return "no XML";
    return document->all("testsuite").at(0)->attributes.at(name);
  }
  /// Of the steps of a.sarif's code flows that a register write or a store is, those with a place:
  /// what the step says, and the line of `source` that it stands at.
  struct Step {
    std::string says, line;
  };
  [[nodiscard]] std::vector<Step> steps_in(const std::string& source) const {
    std::vector<std::string> lines;
    std::ifstream file(source);
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    std::vector<Step> steps;
    const JsonValue log = json("a.sarif");
    for (const JsonValue& result :
         log.find("runs")->value.items.at(0).find("results")->value.items) {
      const JsonValue& flow =
          result.find("codeFlows")->value.items.at(0).find("threadFlows")->value.items.at(0);
      for (const JsonValue& one : flow.find("locations")->value.items) {
        const JsonValue& location = one.find("location")->value;
        const JsonValue& place = location.find("physicalLocation")->value;
        const std::string uri = place.find("artifactLocation")->value.find("uri")->value.text;
        if (!uri.ends_with(std::filesystem::path(source).filename().string())) continue;
        const u64 line = place.find("region")->value.find("startLine")->value.number;
        steps.push_back({location.find("message")->value.find("text")->value.text,
                         line == 0 || line > lines.size() ? "" : lines[line - 1]});
      }
    }
    return steps;
  }
  void build(const std::string& compiler, const std::string& source) const {
    const std::string line = compiler + " -O0 -shared -fPIC -DFORGET_THE_INVALIDATION -I " +
                             test::in_tree("include") + " -o " + path("d.so") + " " + source +
                             " 2>" + path("err");
    ASSERT_EQ(std::system(line.c_str()), 0) << read("err");
  }
  /// The headline of the only finding.
  [[nodiscard]] std::string expect_one_finding() const {
    const JsonValue all = json("a.json");
    const JsonValue& findings = all.find("findings")->value;
    EXPECT_EQ(findings.items.size(), 1U);
    if (findings.items.empty()) return {};
    std::string headline = findings.items[0].find("headline")->value.text;
    EXPECT_THAT(read("a.txt"), HasSubstr(headline));
    EXPECT_EQ(junit_number("failures"), "1");
    const JsonValue log = json("a.sarif");
    const JsonValue& results = log.find("runs")->value.items.at(0).find("results")->value;
    EXPECT_EQ(results.items.size(), 1U);
    EXPECT_THAT(results.items.at(0).find("message")->value.find("text")->value.text,
                HasSubstr(headline));
    expect_sarif();
    return headline;
  }

 private:
  std::filesystem::path folder_;
};

TEST_F(ReportFiles, OfCheckAndOfTheReplayOfItsTrace) {
  run("check --findings 1 --driver " +
          test::in_build("examples/simple_driver_buggy.so --seed 1 --runs 500 --out ") +
          path("out.d"),
      1);
  const std::string headline = expect_one_finding();
  const JsonValue all = json("a.json");
  const std::string trace = all.find("findings")->value.items.at(0).find("trace")->value.text;
  ASSERT_TRUE(std::filesystem::exists(trace)) << trace;
  run("replay " + trace, 1);
  EXPECT_EQ(expect_one_finding(), headline);
}

/// A driver that was built by nobody's kit: each call of the platform says where it stands.
TEST_F(ReportFiles, WhatTheDriverDidStandsAtItsLines) {
  const std::string source = test::in_tree("examples/simple_driver.c");
  const std::string check =
      "check --seed 1 --runs 500 --findings 1 --driver " + path("d.so") + " --out " + path("out.d");
  build("clang-19 -g", source);
  run(check, 1);
  const std::vector<Step> steps = steps_in(source);
  u64 stores = 0, writes = 0;
  for (const Step& step : steps) {
    if (step.says.contains("the driver stores")) {
      ++stores;
      EXPECT_THAT(step.line, HasSubstr("store64(")) << step.says;
    } else if (step.says.contains("the driver writes")) {
      ++writes;
      EXPECT_THAT(step.line, HasSubstr("mmio_write32(")) << step.says;
    }
  }
  EXPECT_GT(stores, 0U);
  EXPECT_GT(writes, 0U);
  expect_sarif();
  // The trace has it, and is judged as before.
  const JsonValue all = json("a.json");
  const std::string trace = all.find("findings")->value.items.at(0).find("trace")->value.text;
  EXPECT_THAT(content(trace), HasSubstr("\"pc\":"));
  const std::string headline = expect_one_finding();
  run("replay " + trace, 1);
  EXPECT_EQ(expect_one_finding(), headline);
  // The twin: without line tables nothing is said to stand in the source.
  build("clang-19 -g0", source);
  run(check, 1);
  EXPECT_TRUE(steps_in(source).empty());
}

/// Registers behind pointers: the write is told by the hooks, and stands where the driver makes it.
TEST_F(ReportFiles, WhatHooksTellStandsAtTheDriversLine) {
  std::string text =
      "#include <iommucheck/hooks.h>\n" + content(test::in_tree("examples/simple_driver.c"));
  const std::string call = "d->p->mmio_write32(d->p->ctx, offset, value, IOMMUCHECK_MMIO_ORDERED);";
  const std::size_t at = text.find(call);
  ASSERT_NE(at, std::string::npos);
  text.replace(at, call.size(),
               "d->p->barrier(d->p->ctx, IOMMUCHECK_DMA_MB);\n"
               "  *(volatile u32*)((char*)iommucheck_registers() + offset) = value;");
  std::ofstream(path("pointers.c")) << text;
  build(
      std::filesystem::read_symlink("/proc/self/exe").parent_path().string() + "/iommucheck cc -g",
      path("pointers.c"));
  run("check --seed 1 --runs 500 --findings 1 --driver " + path("d.so") + " --out " + path("out.d"),
      1);
  u64 writes = 0;
  for (const Step& step : steps_in(path("pointers.c"))) {
    if (!step.says.contains("the driver writes")) continue;
    ++writes;
    EXPECT_THAT(step.line, HasSubstr("iommucheck_registers()")) << step.says;
  }
  EXPECT_GT(writes, 0U);
}

/// The twin: a log that misses what each schema asks for.
TEST_F(ReportFiles, WhatIsNoSarifIsNoticed) {
  if (schemas().empty()) GTEST_SKIP() << "there is no python3-jsonschema";
  std::ofstream(path("a.sarif")) << R"({"version": "2.1.0", "runs": [{"results": []}]})";
  for (const std::string& one : schemas()) {
    EXPECT_THAT(validated("a.sarif", one), HasSubstr("'tool' is a required property")) << one;
  }
}

TEST_F(ReportFiles, OfARunThatHolds) {
  run("check --runs 20 --seed 3 --out ''", 0);
  EXPECT_EQ(junit_number("failures"), "0");
  EXPECT_EQ(junit_number("errors"), "0");
  expect_sarif();
  EXPECT_TRUE(json("a.json").find("findings")->value.items.empty());
}

TEST_F(ReportFiles, AreWrittenWhereThereIsNoVerdict) {
  std::ofstream(path("bad.trace")) << "nonsense\n";
  std::ofstream(path("bad.scenario")) << "nonsense\n";
  std::ofstream(path("bad.litmus")) << "nonsense\n";
  for (const std::string& arguments :
       {std::string("check --driver /nonexistent.so"), "replay " + path("bad.trace"),
        std::string("conform --device nonsense"), "scenario " + path("bad.scenario"),
        "litmus " + path("bad.litmus")}) {
    for (const char* name : {"a.txt", "a.json", "b", "a.sarif"}) {
      std::filesystem::remove(path(name));
    }
    run(arguments, 2);
    EXPECT_NE(junit_number("errors"), "0") << arguments;
    expect_sarif();
    const JsonValue log = json("a.sarif");
    const JsonValue& ended =
        log.find("runs")->value.items.at(0).find("invocations")->value.items.at(0);
    EXPECT_FALSE(ended.find("executionSuccessful")->value.boolean) << arguments;
    EXPECT_EQ(ended.find("exitCode")->value.number, 2U) << arguments;
    const JsonValue all = json("a.json");
    EXPECT_EQ(all.find("verdict")->value.text, "undecided") << arguments;
    EXPECT_FALSE(all.find("why")->value.items.empty()) << arguments;
    EXPECT_THAT(read("a.txt"), HasSubstr("undecided")) << arguments;
  }
}

TEST_F(ReportFiles, StandardOutputIsNotEmptyWithoutAVerdict) {
  run("check --driver /nonexistent.so --format junit", 2);
  EXPECT_TRUE(oracle::parse_xml(read("out")).has_value());
  EXPECT_THAT(read("out"), HasSubstr("<error"));
  run("check --driver /nonexistent.so --format json", 2);
  EXPECT_EQ(json("out").find("verdict")->value.text, "undecided");
}

TEST_F(ReportFiles, AFormThatIsNotKnownIsSaid) {
  run("check --runs 1 --report a.pdf", 2);
  EXPECT_THAT(read("err"), HasSubstr("sarif:FILE"));
}

}  // namespace
}  // namespace iommucheck::report_files_test
