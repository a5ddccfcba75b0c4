// SPDX-License-Identifier: MIT
// Results as JUnit XML, the form that CI systems read. One suite a run; one case a rule (check,
// conform) or a file or test (litmus, scenario, replay). Whoever has results fills a JunitSuite and
// calls to_junit(); the text is valid XML 1.0 and UTF-8 whatever the texts hold.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "monitor/finding.h"
#include "monitor/rule_verdicts.h"
#include "monitor/trace_judge.h"

namespace iommucheck::oracle {

enum class JunitStatus : u8 {
  passed,
  failed,   ///< a rule is broken, an expectation not met
  error,    ///< no verdict: a bound was hit, a file could not be read
  skipped,  ///< not exercised, not claimed, undetermined, not built: `message` says why
};

struct JunitCase {
  std::string name;   ///< of the rule, test or file; unique within its group
  std::string group;  ///< "classname": what CI systems fold by; empty: the suite's name
  JunitStatus status = JunitStatus::passed;
  std::string message;  ///< one line; unused where it passed
  std::string type;     ///< of a failure or error: the rule's family; may be empty
  std::string details;  ///< of a failure or error: evidence, lines
  std::string output;   ///< whatever else is to be read beside the verdict
  std::string file;     ///< where the test stands, or what failed; may be empty
  u64 line = 0;         ///< there, from 1; 0: not known
  std::vector<std::string> fingerprints{};  ///< of what it found (report/finding_identity.h)
  double seconds = 0;
};

struct JunitSuite {
  std::string name;                                             ///< "iommucheck check builtin"
  double seconds = 0;                                           ///< of the whole run
  std::vector<std::pair<std::string, std::string>> properties;  ///< seed, versions, numbers
  std::vector<JunitCase> cases;

  void property(std::string key, std::string value) {
    properties.emplace_back(std::move(key), std::move(value));
  }
};

/// The document, with the end of its last line. Bytes that are no UTF-8 and characters that XML
/// cannot hold become "\x1b" and the like, so that nothing is lost silently.
std::string to_junit(std::span<const JunitSuite> suites);
std::string to_junit(const JunitSuite& suite);

/// A case for each rule, in order, by its verdict: failed with the evidence of its findings,
/// skipped with the reason. Findings of rules that are not in `rules` get a case of their own.
void add_rules(JunitSuite& suite, std::span<const RuleCount> rules,
               std::span<const Violation> findings, std::string_view group);

/// A case for a fact that a trace does not give: skipped, with how many events miss it.
JunitCase case_of(const MissingFact& missing);

/// `text` as it stands between tags, or in a quoted attribute.
std::string xml_text(std::string_view text);
std::string xml_attribute(std::string_view text);

}  // namespace iommucheck::oracle
