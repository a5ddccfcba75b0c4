// SPDX-License-Identifier: MIT
// What a run of a command has to say, once; and as text, JSON, JUnit XML, SARIF 2.1.0, KTAP or a
// page (html.h), each with the same findings. It is written whatever the run came to: where there
// is no verdict, the report says why. docs/reports.md.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "monitor/finding.h"
#include "monitor/rule_verdicts.h"
#include "monitor/verdict.h"
#include "report/junit.h"

namespace iommucheck::oracle {

using PropertyValue = std::variant<std::string, u64, double, bool>;

struct Report {
  std::string command;    ///< "check"
  std::string subject;    ///< driver, device or trace; may be empty
  std::string version;    ///< of iommucheck
  std::string backend{};  ///< under test, as a command line names it; empty: it is none
  Verdict verdict = Verdict::held;
  std::vector<std::string> why{};  ///< of a verdict that is undecided or the environment's
  std::string summary{};           ///< the line that the run ends with
  double seconds = 0;
  std::vector<std::pair<std::string, PropertyValue>> properties{};  ///< seed, numbers
  std::vector<RuleCount> rules{};
  std::vector<Violation> findings{};
  /// Results that are neither a rule's nor a finding: tests of litmus and scenario, a trace.
  std::vector<JunitCase> tests{};
  std::string trace{};   ///< that the findings' lines are of, where they name none themselves
  std::string object{};  ///< file under test: the place of what has no trace. Empty: there is none

  void property(std::string key, PropertyValue value) {
    properties.emplace_back(std::move(key), std::move(value));
  }
};

enum class ReportFormat : u8 { text, json, junit, sarif, ktap, html };

/// Where a report goes, and in which form.
struct ReportFile {
  ReportFormat format{};
  std::string path;
};
/// "FORMAT:FILE", or a file whose name ends in .txt, .json, .xml (JUnit), .sarif, .ktap or
/// .html. bad_input.
Expected<ReportFile> report_file(std::string_view argument);

/// The whole document, with the end of its last line.
std::string to_text(const Report& report);
std::string to_json(const Report& report);
std::string to_junit(const Report& report);
std::string to_sarif(const Report& report);
std::string to_ktap(const Report& report);
/// A page is without timelines, which take the findings' traces: explain/timeline.h.
std::string to(ReportFormat format, const Report& report);

/// environment.
Expected<void> write_report(const Report& report, const ReportFile& file);

}  // namespace iommucheck::oracle
