// SPDX-License-Identifier: MIT
#include "report/report.h"

#include <fmt/format.h>

#include <array>

#include "report/finding_json.h"
#include "report/finding_text.h"
#include "report/html.h"
#include "report/ktap.h"
#include "trace/file.h"

namespace iommucheck::oracle {

namespace {

using trace::JsonTree;

struct NamedFormat {
  std::string_view name;
  std::string_view ending;
  ReportFormat format;
};
constexpr std::array formats{NamedFormat{"text", ".txt", ReportFormat::text},
                             NamedFormat{"json", ".json", ReportFormat::json},
                             NamedFormat{"junit", ".xml", ReportFormat::junit},
                             NamedFormat{"sarif", ".sarif", ReportFormat::sarif},
                             NamedFormat{"sarif", ".sarif.json", ReportFormat::sarif},
                             NamedFormat{"ktap", ".ktap", ReportFormat::ktap},
                             NamedFormat{"html", ".html", ReportFormat::html}};

std::string text_of(const PropertyValue& value) {
  return std::visit(
      []<class T>(const T& plain) {
        if constexpr (std::is_same_v<T, double>) return fmt::format("{:.3f}", plain);
        return fmt::format("{}", plain);
      },
      value);
}

std::string title(const Report& report) {
  return fmt::format("iommucheck {}{}{}", report.command, report.subject.empty() ? "" : " ",
                     report.subject);
}

std::string_view status_name(JunitStatus status) {
  switch (status) {
    case JunitStatus::passed: return "ok";
    case JunitStatus::failed: return "FAIL";
    case JunitStatus::error: return "error";
    case JunitStatus::skipped: return "skipped";
  }
  return "?";
}

JsonTree json_of(const RuleCount& rule) {
  JsonTree json = JsonTree::object();
  json.set("rule", spec::rule_name(rule.rule));
  json.set("verdict", to_string(rule.verdict));
  json.set("kept", rule.kept);
  json.set("discriminating", rule.discriminating);
  json.set("broken", rule.broken);
  json.set("why", rule.why);
  return json;
}

JsonTree json_of(const JunitCase& test) {
  JsonTree json = JsonTree::object();
  json.set("name", test.name);
  json.set("group", test.group);
  json.set("status", status_name(test.status));
  if (!test.message.empty()) json.set("message", test.message);
  if (!test.details.empty()) json.set("details", test.details);
  if (!test.file.empty()) json.set("file", test.file);
  if (test.line != 0) json.set("line", test.line);
  if (!test.fingerprints.empty()) {
    JsonTree all = JsonTree::array();
    for (const std::string& one : test.fingerprints) all.add(one);
    json.set("fingerprints", std::move(all));
  }
  json.set("seconds", test.seconds);
  return json;
}

/// Why there is no verdict, as a test that could not be run: a CI must not take silence for
/// success.
void add_why(const Report& report, JunitSuite& suite) {
  if (report.verdict != Verdict::undecided && report.verdict != Verdict::environment) return;
  JunitCase none;
  none.name = "verdict";
  none.group = title(report);
  none.status = JunitStatus::error;
  none.type = to_string(report.verdict);
  none.message = report.why.empty() ? report.summary : report.why.front();
  for (const std::string& why : report.why) none.details += why + "\n";
  suite.cases.push_back(std::move(none));
}

}  // namespace

Expected<ReportFile> report_file(std::string_view argument) {
  const std::size_t colon = argument.find(':');
  for (const NamedFormat& known : formats) {
    if (colon == std::string_view::npos || argument.substr(0, colon) != known.name) continue;
    if (colon + 1 == argument.size()) break;
    return ReportFile{known.format, std::string(argument.substr(colon + 1))};
  }
  for (const NamedFormat& known : formats) {
    if (argument.ends_with(known.ending) &&
        !(known.format == ReportFormat::json && argument.ends_with(".sarif.json"))) {
      return ReportFile{known.format, std::string(argument)};
    }
  }
  return fail(ErrorCode::bad_input,
              fmt::format("--report {}: the form is not known by the name's end (.txt, .json, .xml "
                          "for JUnit, .sarif, .ktap, .html); say it: text:FILE, json:FILE, "
                          "junit:FILE, sarif:FILE, ktap:FILE or html:FILE",
                          argument));
}

std::string to_text(const Report& report) {
  std::string text = title(report) + "\n";
  for (const auto& [key, value] : report.properties) {
    text += fmt::format("{}: {}\n", key, text_of(value));
  }
  for (const Violation& finding : report.findings) text += "\n" + full_text(finding);
  if (!report.findings.empty()) text += "\n";
  for (const RuleCount& rule : report.rules) {
    text += fmt::format("{:<14} {:<24} kept {}, would have been broken {}, broken {}{}{}\n",
                        to_string(rule.verdict), spec::rule_name(rule.rule), rule.kept,
                        rule.discriminating, rule.broken, rule.why.empty() ? "" : " ", rule.why);
  }
  for (const JunitCase& test : report.tests) {
    text += fmt::format("{:<7} {} {}{}{}\n", status_name(test.status), test.group, test.name,
                        test.message.empty() ? "" : ": ", test.message);
    if (test.status == JunitStatus::failed && !test.details.empty()) text += test.details + "\n";
  }
  for (const std::string& why : report.why)
    text += fmt::format("{}: {}\n", to_string(report.verdict), why);
  return text + (report.summary.empty() ? std::string(to_string(report.verdict)) : report.summary) +
         "\n";
}

std::string to_json(const Report& report) {
  JsonTree json = JsonTree::object();
  json.set("command", report.command).set("subject", report.subject);
  json.set("version", report.version).set("verdict", to_string(report.verdict));
  JsonTree why = JsonTree::array();
  for (const std::string& one : report.why) why.add(one);
  json.set("why", std::move(why));
  json.set("seconds", report.seconds);
  for (const auto& [key, value] : report.properties) {
    json.set(key, std::visit([](const auto& plain) { return JsonTree(plain); }, value));
  }
  JsonTree findings = JsonTree::array();
  for (const Violation& finding : report.findings) findings.add(to_json(finding));
  json.set("findings", std::move(findings));
  JsonTree rules = JsonTree::array();
  for (const RuleCount& rule : report.rules) rules.add(json_of(rule));
  json.set("rules", std::move(rules));
  JsonTree tests = JsonTree::array();
  for (const JunitCase& test : report.tests) tests.add(json_of(test));
  json.set("tests", std::move(tests));
  json.set("summary", report.summary);
  return json.text() + "\n";
}

namespace {

/// Its rules and tests as cases, and why there is no verdict.
JunitSuite suite_of(const Report& report) {
  JunitSuite suite;
  suite.name = title(report);
  suite.seconds = report.seconds;
  suite.property("version", report.version);
  suite.property("verdict", std::string(to_string(report.verdict)));
  for (const auto& [key, value] : report.properties) suite.property(key, text_of(value));
  suite.cases = report.tests;
  add_rules(suite, report.rules, report.findings,
            report.subject.empty() ? report.command : report.command + " " + report.subject);
  add_why(report, suite);
  return suite;
}

}  // namespace

std::string to_junit(const Report& report) { return to_junit(suite_of(report)); }
std::string to_ktap(const Report& report) { return to_ktap(suite_of(report)); }

std::string to(ReportFormat format, const Report& report) {
  switch (format) {
    case ReportFormat::text: return to_text(report);
    case ReportFormat::json: return to_json(report);
    case ReportFormat::junit: return to_junit(report);
    case ReportFormat::sarif: return to_sarif(report);
    case ReportFormat::ktap: return to_ktap(report);
    case ReportFormat::html: return to_html(report, {});
  }
  return {};
}

Expected<void> write_report(const Report& report, const ReportFile& file) {
  return trace::write_file(file.path, to(file.format, report));
}

}  // namespace iommucheck::oracle
