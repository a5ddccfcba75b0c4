// SPDX-License-Identifier: MIT
// The second backend: all scenarios that may run there hold on it, and each of its twins breaks the
// rule that is its own.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "scenario/run/backend_subject.h"
#include "scenario/run/runner.h"
#include "tests/scenario/files_support.h"
#include "tests/scenario/two_twins_support.h"

namespace iommucheck::oracle::stories::two_test {
namespace {

using scenario::Scenario;
using Status = ScenarioResult::Status;

std::string text_of(const Scenario& scenario, const ScenarioResult& result) {
  if (!result.failure) return scenario.id;
  std::string text = scenario.id + " line " + std::to_string(result.failure->place.line) + ": " +
                     result.failure->step + "\n expected " + result.failure->expected +
                     "\n observed " + result.failure->observed;
  for (const std::string& line : result.failure->evidence) text += "\n " + line;
  return text;
}

/// What it cannot run needs what no backend has, or names another one.
TEST(SecondBackend, HoldsAllThatMayRunThere) {
  unsigned passed = 0;
  std::set<std::string> needs;
  for (const Scenario& scenario : test::all_scenarios()) {
    const ScenarioResult result = run_scenario(scenario, {.make_subject = make_two, .trace = {}});
    EXPECT_NE(result.status, Status::failed) << text_of(scenario, result);
    EXPECT_NE(result.status, Status::undecided) << scenario.id;
    needs.insert(result.needs.begin(), result.needs.end());
    passed += result.status == Status::passed ? 1 : 0;
  }
  EXPECT_GE(passed, 140U);
  EXPECT_FALSE(needs.contains("backend=two"));
  EXPECT_FALSE(needs.contains("iopf=pri"));
  EXPECT_FALSE(needs.contains("tables=per_device"));
}

/// There are none of it: what passed has not failed for want of one.
TEST(SecondBackend, PassesWhereEveryTraceIsAskedFor) {
  const auto& all = test::all_scenarios();
  const auto at =
      std::ranges::find_if(all, [](const Scenario& one) { return one.id.starts_with("SEC-"); });
  ASSERT_NE(at, all.end());
  const ScenarioResult result = run_scenario(
      *at, {.make_subject = make_two, .trace = testing::TempDir() + "none", .trace_all = true});
  EXPECT_EQ(result.status, Status::passed) << text_of(*at, result);
}

TEST(SecondBackend, EachTwinBreaksARuleOfItsOwn) {
  ASSERT_GE(two_twins().size(), 5U);
  // Those that were written for it come first: they find most.
  std::vector<const Scenario*> scenarios;
  for (const bool own : {true, false}) {
    for (const Scenario& scenario : test::all_scenarios()) {
      if (scenario.id.starts_with("SEC-") == own) scenarios.push_back(&scenario);
    }
  }
  for (const TwoTwin& twin : two_twins()) {
    std::string found;
    std::string others;
    for (const Scenario* const each : scenarios) {
      const Scenario& scenario = *each;
      const ScenarioResult result =
          run_scenario(scenario, {.make_subject = twin.make, .trace = {}});
      if (result.status != Status::failed) continue;
      for (const spec::Rule rule : twin.rules) {
        const std::string name(spec::rule_info(rule).name);
        const auto names = [&](const std::string& line) { return line.starts_with(name); };
        if (std::ranges::any_of(result.failure->evidence, names)) found = scenario.id;
      }
      others += text_of(scenario, result) + "\n";
      if (!found.empty()) break;
    }
    EXPECT_FALSE(found.empty()) << twin.name << ": " << twin.what << "\n" << others;
  }
}

}  // namespace
}  // namespace iommucheck::oracle::stories::two_test
