// SPDX-License-Identifier: MIT
// A report as SARIF 2.1.0 (OASIS): a result for each finding, with the events that it names as a
// flow through the driver's source, or through the trace, and one for each test that failed. Only
// members that are set are written: the format permits no others, and its lists have rules of their
// own (tests/data/sarif).
#include <fmt/format.h>

#include <algorithm>

#include "report/event_text.h"
#include "report/finding_identity.h"
#include "report/finding_json.h"
#include "report/finding_text.h"
#include "report/report.h"

namespace iommucheck::oracle {

namespace {

using trace::JsonTree;

JsonTree message(std::string_view text) { return std::move(JsonTree::object().set("text", text)); }

/// A path as a URI reference: bytes that may not stand in one become %XX.
std::string uri_of(std::string_view path) {
  std::string uri = path.starts_with('/') ? "file://" : "";
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("-._~/").contains(c);
    uri += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<u8>(c));
  }
  return uri;
}

JsonTree physical_location(const std::string& file, u64 line) {
  JsonTree place = JsonTree::object();
  place.set("artifactLocation", std::move(JsonTree::object().set("uri", uri_of(file))));
  if (line != 0) place.set("region", std::move(JsonTree::object().set("startLine", line)));
  return place;
}

JsonTree location(const std::string& file, u64 line, std::string_view text) {
  JsonTree json = JsonTree::object();
  if (!file.empty()) json.set("physicalLocation", physical_location(file, line));
  if (!text.empty()) json.set("message", message(text));
  return json;
}

/// Of the rules that are named, in order; a result points to its own by number.
class Rules {
 public:
  u64 index_of(std::string_view id) {
    const auto known = std::ranges::find(ids_, id);
    if (known != ids_.end()) return static_cast<u64>(known - ids_.begin());
    ids_.emplace_back(id);
    return ids_.size() - 1;
  }
  [[nodiscard]] JsonTree json() const {
    JsonTree all = JsonTree::array();
    for (const std::string& id : ids_) {
      JsonTree one = JsonTree::object();
      one.set("id", id);
      if (const auto rule = spec::find_rule(id)) {
        const spec::RuleInfo& info = spec::rule_info(*rule);
        one.set("shortDescription", message(info.text));
        one.set("help", message(fmt::format("{} [{}]", info.text, info.section)));
        JsonTree properties = JsonTree::object();
        properties.set("tags", std::move(JsonTree::array().add(spec::family_name(info.family))));
        properties.set("keeper", spec::keeper_name(info.keeper));
        properties.set("source", info.section);
        one.set("properties", std::move(properties));
      } else {
        one.set("shortDescription", message("What a test expects is what happens."));
      }
      all.add(std::move(one));
    }
    return all;
  }

 private:
  std::vector<std::string> ids_;
};

/// Where the driver did it, if that is known; else the line of the trace.
JsonTree place_of(const NamedEvent& named, const std::string& trace, std::string_view text) {
  if (named.source.empty()) return location(trace, named.line, text);
  return location(from_here(named.source), named.source_line, text);
}

/// Under which it is known from run to run.
JsonTree fingerprints(const std::string& fingerprint) {
  return std::move(JsonTree::object().set("iommucheckCause/v1", fingerprint));
}

/// The events that the finding names, one after the other.
JsonTree flow_of(const Violation& finding, const std::string& file) {
  JsonTree locations = JsonTree::array();
  for (const NamedEvent& named : finding.named) {
    JsonTree step = JsonTree::object();
    step.set("location",
             place_of(named, file, event_line(named, finding.story.known, registers_of(finding))));
    step.set("executionOrder", u64{named.number} + 1);
    locations.add(std::move(step));
  }
  JsonTree thread = JsonTree::object();
  thread.set("locations", std::move(locations));
  JsonTree flow = JsonTree::object();
  flow.set("threadFlows", std::move(JsonTree::array().add(std::move(thread))));
  return flow;
}

JsonTree result_of(const Violation& finding, const Report& report, Rules& rules) {
  const std::string& file = finding.trace_path.empty() ? report.trace : finding.trace_path;
  const auto found = std::ranges::find(finding.named, finding.at, &NamedEvent::number);
  JsonTree json = JsonTree::object();
  json.set("ruleId", spec::rule_name(finding.rule));
  json.set("ruleIndex", rules.index_of(spec::rule_name(finding.rule)));
  json.set("kind", "fail").set("level", "error");
  std::string text = headline(finding);
  for (const std::string& line : evidence(finding)) text += "\n" + line;
  json.set("message", message(text));
  const NamedEvent* in_source = event_in_source(finding);
  const bool shown = found != finding.named.end();
  JsonTree place = in_source != nullptr ? place_of(*in_source, file, headline(finding))
                   : file.empty()       ? location(report.object, 0, headline(finding))
                   : shown              ? place_of(*found, file, headline(finding))
                                        : location(file, 0, headline(finding));
  if (const std::string where = where_text(finding.where); !where.empty()) {
    JsonTree logical = JsonTree::object();
    logical.set("fullyQualifiedName", where).set("kind", "resource");
    place.set("logicalLocations", std::move(JsonTree::array().add(std::move(logical))));
  }
  json.set("locations", std::move(JsonTree::array().add(std::move(place))));
  if (!finding.kind.empty()) {
    json.set("partialFingerprints", fingerprints(fingerprint_of(finding)));
  }
  if (!finding.named.empty()) {
    json.set("codeFlows", std::move(JsonTree::array().add(flow_of(finding, file))));
  }
  json.set("properties", std::move(JsonTree::object().set("finding", to_json(finding))));
  return json;
}

JsonTree result_of(const JunitCase& test, const Report& report, Rules& rules) {
  const std::string id = report.command + "-test";
  JsonTree json = JsonTree::object();
  json.set("ruleId", id).set("ruleIndex", rules.index_of(id));
  json.set("kind", "fail").set("level", "error");
  std::string text = test.name + ": " + (test.message.empty() ? "failed" : test.message);
  if (!test.details.empty()) text += "\n" + test.details;
  json.set("message", message(text));
  const std::string& file = test.file.empty() ? report.object : test.file;
  if (!file.empty()) {
    json.set("locations", std::move(JsonTree::array().add(location(file, test.line, ""))));
  }
  if (!test.fingerprints.empty()) {
    json.set("partialFingerprints", fingerprints(test.fingerprints.front()));
  }
  return json;
}

JsonTree notification(std::string_view text) {
  JsonTree json = JsonTree::object();
  json.set("level", "error").set("message", message(text));
  return json;
}

/// How the run ended: a viewer shows where there is no verdict, and why.
JsonTree invocation_of(const Report& report) {
  const bool decided = report.verdict == Verdict::held || report.verdict == Verdict::violated;
  JsonTree json = JsonTree::object();
  json.set("executionSuccessful", decided);
  json.set("exitCode", exit_status(report.verdict));
  json.set("exitCodeDescription", to_string(report.verdict));
  JsonTree notes = JsonTree::array();
  for (const std::string& why : report.why) notes.add(notification(why));
  for (const JunitCase& test : report.tests) {
    if (test.status != JunitStatus::error) continue;
    notes.add(notification(test.name + ": " + test.message));
  }
  if (notes.size() != 0) json.set("toolExecutionNotifications", std::move(notes));
  return json;
}

}  // namespace

std::string to_sarif(const Report& report) {
  Rules rules;
  for (const RuleCount& rule : report.rules) rules.index_of(spec::rule_name(rule.rule));
  JsonTree results = JsonTree::array();
  for (const Violation& finding : report.findings) results.add(result_of(finding, report, rules));
  for (const JunitCase& test : report.tests) {
    if (test.status == JunitStatus::failed) results.add(result_of(test, report, rules));
  }
  JsonTree driver = JsonTree::object();
  driver.set("name", "iommucheck").set("version", report.version);
  driver.set("rules", rules.json());
  JsonTree run = JsonTree::object();
  run.set("tool", std::move(JsonTree::object().set("driver", std::move(driver))));
  run.set(
      "automationDetails",
      std::move(JsonTree::object().set(
          "id", report.subject.empty() ? report.command : report.command + "/" + report.subject)));
  run.set("invocations", std::move(JsonTree::array().add(invocation_of(report))));
  run.set("results", std::move(results));
  JsonTree properties = JsonTree::object();
  properties.set("seconds", report.seconds).set("summary", report.summary);
  for (const auto& [key, value] : report.properties) {
    properties.set(key, std::visit([](const auto& plain) { return JsonTree(plain); }, value));
  }
  run.set("properties", std::move(properties));
  JsonTree log = JsonTree::object();
  log.set("$schema", "https://json.schemastore.org/sarif-2.1.0.json").set("version", "2.1.0");
  log.set("runs", std::move(JsonTree::array().add(std::move(run))));
  return log.text(1) + "\n";
}

}  // namespace iommucheck::oracle
