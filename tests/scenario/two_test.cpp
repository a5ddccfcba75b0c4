// SPDX-License-Identifier: MIT
// The second backend: all scenarios that may run there hold on it, and each of its twins breaks the
// rule that is its own.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "monitor/replay.h"
#include "report/finding_text.h"
#include "scenario/run/driver_subject.h"
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

/// The events alone hold as well, by the hardware that they name.
TEST(SecondBackend, ItsTracesAreReplayed) {
  const NamedBackend two = *load_named_backend(second_backend);
  const std::string path = testing::TempDir() + "second.trace.jsonl";
  unsigned replayed = 0;
  for (const Scenario& scenario : test::all_scenarios()) {
    if (!scenario.id.starts_with("SEC-") && !scenario.id.starts_with("PRI-")) continue;
    const ScenarioResult result =
        run_scenario(scenario, {.make_subject = make_two, .trace = path, .trace_all = true});
    if (result.status != Status::passed) continue;
    ReplayOptions options;
    options.trace = path;
    EXPECT_FALSE(run_replay(options)) << "an SMMUv3 judged it";
    options.hardware = hardware_of(two);
    const auto again = run_replay(options);
    ASSERT_TRUE(again) << again.error().message;
    for (const Violation& finding : again->findings) {
      // What a story lets its caller do wrong is no finding of the driver's.
      const bool drivers =
          finding.party == spec::Keeper::driver || finding.party == spec::Keeper::backend;
      EXPECT_FALSE(drivers) << scenario.id << ": " << one_line(finding);
    }
    ++replayed;
  }
  EXPECT_GE(replayed, 10U);
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
      const ScenarioResult result = run_scenario(
          scenario,
          {.make_subject = [&] { return make_backend_subject(twin.make()); }, .trace = {}});
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
