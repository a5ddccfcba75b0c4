// SPDX-License-Identifier: MIT
// What check and replay print alike: findings and rules.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "check/check.h"
#include "cli/console.h"
#include "cli/options.h"
#include "report/junit.h"

namespace iommucheck::cli {

struct RuleTotals {
  u64 holds = 0, broken = 0, not_claimed = 0, not_exercised = 0, undetermined = 0;
  u64 claimed() const { return holds + broken + not_exercised + undetermined; }
};
RuleTotals totals(std::span<const oracle::RuleCount> rules);

void print_finding(const oracle::Violation& finding);
/// One line of totals, then those that were not exercised or not determined; each rule if `all`.
void print_rules(std::span<const oracle::RuleCount> rules, bool all);

/// "holds", "VIOLATED", "UNDECIDED (why)", "FAILED (why)": for the last line.
std::string verdict_word(const oracle::RunEnd& end);

/// The last members of the object that a command prints, "verdict" and "why"; it is closed, and is
/// on stdout.
void end_json(JsonWriter& json, const oracle::RunEnd& end);

/// What a command that runs tests prints for other programs.
struct TestsRun {
  std::string command, subject;  ///< the suite is "iommucheck COMMAND SUBJECT"
  double seconds = 0;
  std::vector<oracle::JunitCase> cases;
};
/// As JUnit or KTAP, with a case that says what kept the run from being held, if none does.
void print_suite(TestsRun tests, const oracle::RunEnd& end, Format format);

}  // namespace iommucheck::cli
