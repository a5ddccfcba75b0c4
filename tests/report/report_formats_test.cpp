// SPDX-License-Identifier: MIT
// One report in four forms: the same findings in each, each once; and never empty where there is no
// verdict.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "report/finding_kind_text.h"
#include "report/finding_text.h"
#include "report/report.h"
#include "spec/rules/promises.h"
#include "tests/places.h"
#include "tests/report/json_schema_support.h"
#include "tests/report/xml_support.h"

namespace iommucheck::oracle::report_formats_test {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using trace::JsonValue;

Violation example() {
  Violation found(finding_of(spec::rule::PAGE_REUSE, {}));
  found.at = 12;
  found.where = {.sid = 1, .device = 0, .pasid = 2, .address = 0x4000};
  May may;
  may.kind = May::Kind::reach;
  may.pa = 0x1'0000'0000;
  may.user = {.read = true, .write = true};
  found.hardware = {may};
  found.promised = {{.state = spec::sva::State::unmapped}};
  spec::Cause cause;
  cause.kind = spec::Cause::Kind::cached_translation;
  cause.pa = 0x8000'0000;
  cause.stored_at = 10;
  cause.vanished_at = 11;
  cause.miss = spec::NearestMiss{.command = spec::cmd_tlbi_nh_va(0, 3, 0x5000), .at = 11};
  found.causes = {cause};
  const trace::Event store{.agent = AgentId::cpu0,
                           .payload = trace::Store{.pa = 0x8000'0000, .size = 8, .value = 0}};
  found.named = {{.number = 10, .line = 14, .call = 1, .inside = true, .event = store},
                 {.number = 12, .line = 16, .call = 1, .inside = true, .event = store}};
  found.story.known = true;
  found.trace_path = "out/a trace [1].jsonl";
  return found;
}

Report report_of(Verdict verdict) {
  Report report;
  report.command = "check";
  report.subject = "my driver.so";
  report.version = "0.1.0";
  report.verdict = verdict;
  report.seconds = 1.25;
  report.property("seed", u64{42});
  report.property("driver", std::string("my driver.so"));
  report.rules = {
      {.rule = spec::rule::PAGE_REUSE, .verdict = RuleVerdict::holds, .kept = 3, .why = {}},
      {.rule = spec::rule::TORN_CD, .verdict = RuleVerdict::not_exercised, .why = "no"}};
  if (verdict == Verdict::violated) {
    report.rules[0].verdict = RuleVerdict::broken;
    report.rules[0].broken = 2;
    report.findings = {example()};
  }
  if (verdict == Verdict::undecided) report.why = {"a bound was hit", "stopped"};
  if (verdict == Verdict::environment) report.why = {"the disk is full"};
  return report;
}

JsonValue parsed(const std::string& text) {
  auto value = trace::parse_json(text);
  EXPECT_TRUE(value.has_value()) << text;
  return value ? std::move(*value) : JsonValue{};
}

JsonValue sarif_schema() {
  std::ostringstream text;
  text << std::ifstream(test::in_tree("tests/data/sarif/sarif-2.1.0.schema.json")).rdbuf();
  return parsed(text.str());
}

JunitCase failed_test() {
  JunitCase test;
  test.name = "one \"test\"";
  test.group = "a.litmus";
  test.status = JunitStatus::failed;
  test.message = "expected {}";
  test.file = "files/a.litmus";
  test.line = 7;
  return test;
}

TEST(ReportFormats, SarifIsWhatItsSchemaAsks) {
  const JsonValue schema = sarif_schema();
  for (const Verdict verdict :
       {Verdict::held, Verdict::violated, Verdict::undecided, Verdict::environment}) {
    Report report = report_of(verdict);
    report.tests.push_back(failed_test());
    JunitCase error;
    error.name = "b";
    error.status = JunitStatus::error;
    error.message = "cannot be read";
    report.tests.push_back(error);
    EXPECT_THAT(validate(parsed(to_sarif(report)), schema), IsEmpty()) << to_sarif(report);
  }
}

/// Every way in which a member of the log can be lost or misspelt is seen by the validator.
TEST(ReportFormats, TheSchemaRefusesWhatIsNoSarif) {
  const JsonValue schema = sarif_schema();
  const std::string good = to_sarif(report_of(Verdict::violated));
  const std::pair<const char*, const char*> edits[] = {
      {"\"version\": \"2.1.0\"", "\"version\": \"2.0.0\""},
      {"\"runs\"", "\"run\""},
      {"\"tool\"", "\"tools\""},
      {"\"name\": \"iommucheck\"", "\"title\": \"iommucheck\""},
      {"\"level\": \"error\"", "\"level\": \"bad\""},
      {"\"kind\": \"fail\"", "\"kind\": \"failed\""},
      {"\"startLine\": 16", "\"startLine\": 0"},
      {"\"startLine\": 16", "\"startLine\": \"16\""},
      {"\"startLine\": 16", "\"endLine\": 16"},
      {"\"executionSuccessful\": true", "\"executionSuccessful\": 1"},
      {"\"threadFlows\"", "\"flows\""},
      {"out/a%20trace%20%5B1%5D.jsonl", "out/a trace"},
      {"\"ruleIndex\": 0", "\"ruleIndex\": 0.5"},
      {"\"tags\": [\n", "\"tags\": [\"page-reuse\",\n"},
  };
  for (const auto& [from, to] : edits) {
    const std::size_t at = good.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    std::string bad = good;
    bad.replace(at, std::string_view(from).size(), to);
    EXPECT_THAT(validate(parsed(bad), schema), Not(IsEmpty())) << from << " -> " << to;
  }
}

TEST(ReportFormats, SarifHasTheFindingWithItsPlaceInTheTrace) {
  const JsonValue log = parsed(to_sarif(report_of(Verdict::violated)));
  const JsonValue& run = log.find("runs")->value.items.at(0);
  ASSERT_EQ(run.find("results")->value.items.size(), 1U);
  const JsonValue& result = run.find("results")->value.items[0];
  EXPECT_EQ(result.find("ruleId")->value.text, "PAGE_REUSE");
  const JsonValue& rules = run.find("tool")->value.find("driver")->value.find("rules")->value;
  EXPECT_EQ(rules.items.at(result.find("ruleIndex")->value.number).find("id")->value.text,
            "PAGE_REUSE");
  EXPECT_THAT(result.find("message")->value.find("text")->value.text,
              HasSubstr("a cached translation"));
  const JsonValue& place =
      result.find("locations")->value.items.at(0).find("physicalLocation")->value;
  EXPECT_EQ(place.find("region")->value.find("startLine")->value.number, 16U);
}

/// The first event of a trace has the number 0, and steps are counted from 1.
TEST(ReportFormats, SarifHasTheEventsInTheirOrder) {
  const Report report = report_of(Verdict::violated);
  const JsonValue log = parsed(to_sarif(report));
  const JsonValue& result = log.find("runs")->value.items.at(0).find("results")->value.items.at(0);
  const JsonValue& thread =
      result.find("codeFlows")->value.items.at(0).find("threadFlows")->value.items.at(0);
  const auto& steps = thread.find("locations")->value.items;
  const std::vector<NamedEvent>& named = report.findings[0].named;
  ASSERT_EQ(steps.size(), named.size());
  for (std::size_t i = 0; i < named.size(); ++i) {
    EXPECT_EQ(steps[i].find("executionOrder")->value.number, u64{named[i].number} + 1);
  }
}

/// What a review shows: the driver's line, and one name for the finding in every run.
TEST(ReportFormats, SarifHasTheDriversSourceAndAFingerprint) {
  Report report = report_of(Verdict::violated);
  Violation& finding = report.findings[0];
  finding.kind = kind_of_text("unmap: reach, promised unmapped; leaf cached, level").value();
  ASSERT_FALSE(finding.named.empty());
  const auto here = std::filesystem::current_path();
  finding.named.front().source = (here / "drivers/mine.c").string();
  finding.named.front().source_line = 428;
  const auto result_of = [](const Report& of) {
    return parsed(to_sarif(of)).find("runs")->value.items.at(0).find("results")->value.items.at(0);
  };
  const JsonValue first = result_of(report);
  EXPECT_THAT(validate(parsed(to_sarif(report)), sarif_schema()), IsEmpty());
  const JsonValue& place =
      first.find("locations")->value.items.at(0).find("physicalLocation")->value;
  EXPECT_EQ(place.find("artifactLocation")->value.find("uri")->value.text, "drivers/mine.c");
  EXPECT_EQ(place.find("region")->value.find("startLine")->value.number, 428U);
  const auto fingerprint = [](const JsonValue& result) {
    return result.find("partialFingerprints")->value.find("iommucheckCause/v1")->value.text;
  };
  // Another run: other events, another trace, the same mistake.
  finding.at += 100;
  finding.trace_path = "out/finding-14.jsonl";
  finding.where.address = 0x7000;
  EXPECT_EQ(fingerprint(result_of(report)), fingerprint(first));
  finding.kind = kind_of_text("unmap: reach, promised unmapped; leaf cached, ASID").value();
  EXPECT_NE(fingerprint(result_of(report)), fingerprint(first));
  // The same in each form; and which of the rules about what is reached shows it makes no other.
  const std::string name = fingerprint(result_of(report));
  finding.rule = spec::rule::PROMISE_TRANSIENT;
  EXPECT_EQ(fingerprint(result_of(report)), name);
  const JsonValue json = parsed(to_json(report)).find("findings")->value.items.at(0);
  EXPECT_EQ(json.find("fingerprint")->value.text, name);
  EXPECT_EQ(json.find("file")->value.text, "drivers/mine.c");
  EXPECT_EQ(json.find("file_line")->value.number, 428U);
  EXPECT_THAT(to_junit(report), HasSubstr("<property name=\"fingerprint\" value=\"" + name));
  EXPECT_THAT(to_junit(report), HasSubstr(" file=\"drivers/mine.c\" line=\"428\""));
}

TEST(ReportFormats, EachFormHasTheSameFinding) {
  const Report report = report_of(Verdict::violated);
  const std::string words = headline(report.findings[0]);
  EXPECT_THAT(to_text(report), HasSubstr(words));
  for (const std::string& line : evidence(report.findings[0])) {
    EXPECT_THAT(to_text(report), HasSubstr(line));
  }
  const JsonValue json = parsed(to_json(report));
  EXPECT_EQ(json.find("verdict")->value.text, "violated");
  EXPECT_EQ(json.find("seed")->value.number, 42U);
  ASSERT_EQ(json.find("findings")->value.items.size(), 1U);
  const JsonValue& finding = json.find("findings")->value.items[0];
  EXPECT_EQ(finding.find("headline")->value.text, words);
  EXPECT_EQ(finding.find("where")->value.find("pasid")->value.text, "0x2");
  EXPECT_EQ(finding.find("event")->value.number, 12U);
  const JsonValue& cause = finding.find("causes")->value.items.at(0);
  EXPECT_EQ(cause.find("kind")->value.text, "cached_translation");
  EXPECT_EQ(cause.find("nearest_miss")->value.find("event")->value.number, 11U);
}

TEST(ReportFormats, JunitCountsAFindingOnce) {
  Report report = report_of(Verdict::violated);
  JunitCase whole;
  whole.name = "a.trace.jsonl";
  report.tests.push_back(whole);
  const auto document = parse_xml(to_junit(report));
  ASSERT_TRUE(document);
  EXPECT_EQ(document->all("testsuite").at(0)->attributes.at("failures"), "1");
  EXPECT_EQ(document->all("testsuite").at(0)->attributes.at("errors"), "0");
}

TEST(ReportFormats, WithoutAVerdictEachFormSaysWhy) {
  for (const Verdict verdict : {Verdict::undecided, Verdict::environment}) {
    const Report report = report_of(verdict);
    const auto document = parse_xml(to_junit(report));
    ASSERT_TRUE(document);
    EXPECT_EQ(document->all("testsuite").at(0)->attributes.at("errors"), "1");
    EXPECT_THAT(to_junit(report), HasSubstr(report.why[0]));
    EXPECT_THAT(to_json(report), HasSubstr(report.why[0]));
    EXPECT_THAT(to_text(report), HasSubstr(report.why[0]));
    const JsonValue log = parsed(to_sarif(report));
    const JsonValue& run =
        log.find("runs")->value.items.at(0).find("invocations")->value.items.at(0);
    EXPECT_FALSE(run.find("executionSuccessful")->value.boolean);
    EXPECT_EQ(run.find("exitCode")->value.number, static_cast<u64>(exit_status(verdict)));
    EXPECT_THAT(to_sarif(report), HasSubstr(report.why[0]));
  }
}

TEST(ReportFormats, TheFormFollowsFromTheName) {
  const auto is = [](const char* argument, ReportFormat format, const char* path) {
    const auto file = report_file(argument);
    ASSERT_TRUE(file.has_value()) << argument;
    EXPECT_EQ(file->format, format) << argument;
    EXPECT_EQ(file->path, path) << argument;
  };
  is("a.txt", ReportFormat::text, "a.txt");
  is("out/a.json", ReportFormat::json, "out/a.json");
  is("a.xml", ReportFormat::junit, "a.xml");
  is("a.sarif", ReportFormat::sarif, "a.sarif");
  is("a.sarif.json", ReportFormat::sarif, "a.sarif.json");
  is("sarif:a.json", ReportFormat::sarif, "a.json");
  is("junit:/dev/stdout", ReportFormat::junit, "/dev/stdout");
  is("text:a:b", ReportFormat::text, "a:b");
  is("odd:name.xml", ReportFormat::junit, "odd:name.xml");
  for (const char* bad : {"", "a", "a.pdf", "pdf:a", "junit:", "folder/"}) {
    const auto file = report_file(bad);
    ASSERT_FALSE(file.has_value()) << bad;
    EXPECT_THAT(file.error().message, HasSubstr("sarif:FILE"));
  }
}

TEST(ReportFormats, AFileThatCannotBeWrittenIsTheEnvironments) {
  const auto done =
      write_report(report_of(Verdict::held), {ReportFormat::json, "/nonexistent/a.json"});
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, ErrorCode::environment);
}

}  // namespace
}  // namespace iommucheck::oracle::report_formats_test
