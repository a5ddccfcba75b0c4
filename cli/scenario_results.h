// SPDX-License-Identifier: MIT
// What a scenario has shown, as lines for people and as a test case of reports.
#pragma once

#include <string>

#include "report/junit.h"
#include "scenario/format/ast.h"
#include "scenario/run/runner.h"

namespace iommucheck::cli {

/// "FAIL   ID  TITLE" and what stands below it: what it needs, why there is no verdict, or what was
/// expected and observed, at PATH:LINE:COLUMN. With a newline at the end.
std::string text_of(const scenario::Scenario& scenario,
                    const oracle::stories::ScenarioResult& result, const std::string& path);

/// The group is the file.
oracle::JunitCase case_of(const scenario::Scenario& scenario,
                          const oracle::stories::ScenarioResult& result, const std::string& path);

}  // namespace iommucheck::cli
