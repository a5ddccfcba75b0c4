// SPDX-License-Identifier: MIT
#include "cli/scenario_results.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace iommucheck::cli {

using oracle::stories::ScenarioResult;
using oracle::stories::StepFailure;
using scenario::Scenario;

std::string text_of(const Scenario& scenario, const ScenarioResult& result,
                    const std::string& path) {
  const char* word = result.status == ScenarioResult::Status::passed      ? "ok   "
                     : result.status == ScenarioResult::Status::needs     ? "needs"
                     : result.status == ScenarioResult::Status::undecided ? "?    "
                                                                          : "FAIL ";
  std::string text = fmt::format("{}  {}  {}\n", word, scenario.id, scenario.title);
  if (result.status == ScenarioResult::Status::needs) {
    text += fmt::format("         not built: {}\n", fmt::join(result.needs, ", "));
  }
  if (!result.bound.empty()) text += fmt::format("         no verdict: {}\n", result.bound);
  if (!result.failure) return text;
  const StepFailure& failure = *result.failure;
  text += fmt::format("         {}:{}:{}: {}\n           expected {}\n           observed {}\n",
                      path, failure.place.line, failure.place.column, failure.step,
                      failure.expected, failure.observed);
  for (const std::string& line : failure.evidence) text += "           " + line + "\n";
  return text;
}

oracle::JunitCase case_of(const Scenario& scenario, const ScenarioResult& result,
                          const std::string& path) {
  oracle::JunitCase one;
  one.name = scenario.id;
  one.group = path;
  one.file = path;
  one.line = scenario.place.line;
  one.seconds = result.seconds;
  if (result.status == ScenarioResult::Status::needs) {
    one.status = oracle::JunitStatus::skipped;
    one.message = fmt::format("not built: {}", fmt::join(result.needs, ", "));
  }
  if (!result.bound.empty()) {
    one.status = oracle::JunitStatus::error;
    one.type = "undecided";
    one.message = result.bound;
  }
  if (result.failure) {
    const StepFailure& failure = *result.failure;
    one.status = oracle::JunitStatus::failed;
    one.line = failure.place.line;
    one.type = failure.rule ? std::string(spec::rule_name(*failure.rule)) : "scenario";
    one.message = fmt::format("{}: expected {}, observed {}", failure.step, failure.expected,
                              failure.observed);
    for (const std::string& line : failure.evidence) one.details += line + "\n";
  }
  return one;
}

}  // namespace iommucheck::cli
