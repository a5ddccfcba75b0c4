// SPDX-License-Identifier: MIT
#include "cli/verdicts.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "report/finding_text.h"
#include "report/ktap.h"

namespace iommucheck::cli {

using oracle::RuleVerdict;

RuleTotals totals(std::span<const oracle::RuleCount> rules) {
  RuleTotals totals;
  for (const auto& rule : rules) {
    switch (rule.verdict) {
      case RuleVerdict::holds: ++totals.holds; break;
      case RuleVerdict::broken: ++totals.broken; break;
      case RuleVerdict::not_claimed: ++totals.not_claimed; break;
      case RuleVerdict::not_exercised: ++totals.not_exercised; break;
      case RuleVerdict::undetermined: ++totals.undetermined; break;
    }
  }
  return totals;
}

void print_finding(const oracle::Violation& finding) {
  fmt::print("{}\n", oracle::full_text(finding));
}

void print_rules(std::span<const oracle::RuleCount> rules, bool all) {
  const RuleTotals sum = totals(rules);
  fmt::print("rules: {} hold, {} broken, {} not exercised, {} undetermined, {} not claimed\n",
             sum.holds, sum.broken, sum.not_exercised, sum.undetermined, sum.not_claimed);
  for (const auto& rule : rules) {
    const bool open =
        rule.verdict == RuleVerdict::broken || rule.verdict == RuleVerdict::undetermined;
    if (!all && !open) continue;
    fmt::print("  {:<14} {:<24}", oracle::to_string(rule.verdict), spec::rule_name(rule.rule));
    if (rule.kept != 0 || rule.broken != 0) {
      fmt::print(" kept {}, would have been broken {}", grouped(rule.kept),
                 grouped(rule.discriminating));
    }
    if (rule.broken != 0) fmt::print(", broken {}", grouped(rule.broken));
    fmt::print("{}{}\n", rule.why.empty() ? "" : " ", rule.why);
  }
}

std::string verdict_word(const oracle::RunEnd& end) {
  switch (end.verdict()) {
    case Verdict::held: return "holds";
    case Verdict::violated: return "VIOLATED";
    case Verdict::undecided: return fmt::format("UNDECIDED ({})", end.why().front());
    case Verdict::environment: return fmt::format("FAILED ({})", end.why().front());
  }
  return "?";
}

void end_json(JsonWriter& json, const oracle::RunEnd& end) {
  json.member("verdict", oracle::to_string(end.verdict()));
  json.texts("why", end.why()).end_object().print();
}

namespace {

void add_end(oracle::JunitSuite& suite, const oracle::RunEnd& end, const std::string& group) {
  if (end.verdict() != Verdict::undecided && end.verdict() != Verdict::environment) return;
  const auto says = [](const oracle::JunitCase& c) {
    return c.status == oracle::JunitStatus::error;
  };
  if (std::ranges::any_of(suite.cases, says)) return;  // a file or sequence that says why
  oracle::JunitCase one;
  one.name = std::string(oracle::to_string(end.verdict()));
  one.group = group;
  one.status = oracle::JunitStatus::error;
  one.type = one.name;
  one.message = end.why().front();
  for (const std::string& why : end.why()) one.details += why + "\n";
  suite.cases.push_back(std::move(one));
}

}  // namespace

void print_suite(TestsRun tests, const oracle::RunEnd& end, Format format) {
  oracle::JunitSuite suite;
  suite.name = fmt::format("iommucheck {}{}{}", tests.command, tests.subject.empty() ? "" : " ",
                           tests.subject);
  suite.seconds = tests.seconds;
  suite.property("version", version_text());
  suite.cases = std::move(tests.cases);
  add_end(suite, end, tests.command);
  fmt::print("{}", format == Format::junit ? oracle::to_junit(suite) : oracle::to_ktap(suite));
}

}  // namespace iommucheck::cli
