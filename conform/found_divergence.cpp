// SPDX-License-Identifier: MIT
#include "conform/found_divergence.h"

#include <fmt/format.h>

#include "monitor/finding_kind.h"
#include "spec/rules.h"

namespace iommucheck::oracle {

Violation violation_of(const FoundDivergence& found) {
  const Divergence& divergence = found.divergence;
  Violation violation{Finding(divergence)};
  violation.party = spec::rule_info(divergence.rule).keeper;
  violation.kind = kind_in_words(divergence.called);
  violation.remarks.push_back("kind: " + divergence.called);
  if (!found.worded_as.empty()) {
    violation.remarks.push_back(fmt::format(
        "worded as the known '{}', and of another case: when that became known this one "
        "was right about it",
        found.worded_as));
  }
  if (!found.cause.empty()) violation.remarks.push_back("right with: " + found.cause);
  if (found.behind) violation.remarks.emplace_back("behind: with all of these in the cases");
  violation.remarks.push_back(fmt::format("first in: {}; {} times", found.first_case, found.times));
  if (found.runs > found.shown) {
    violation.remarks.push_back(
        fmt::format("shown in {} of {} runs of the case alone", found.shown, found.runs));
  }
  if (!found.steps.empty()) violation.remarks.emplace_back("the shortest case, after bring-up:");
  for (const std::string& step : found.steps) violation.remarks.push_back("  " + step);
  violation.trace_path = found.trace_path;
  return violation;
}

}  // namespace iommucheck::oracle
