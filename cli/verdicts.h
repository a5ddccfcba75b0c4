// SPDX-License-Identifier: MIT
// What check and replay print alike: findings and rules.
#pragma once

#include <span>

#include "check/check.h"
#include "cli/console.h"
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

/// A case that says what kept the run from being held, if that is not a finding.
void add_end(oracle::JunitSuite& suite, const oracle::RunEnd& end, const std::string& group);

/// A JUnit suite "iommucheck COMMAND SUBJECT" with the properties that all runs have.
oracle::JunitSuite suite_of(std::string_view command, std::string_view subject, double seconds);

}  // namespace iommucheck::cli
