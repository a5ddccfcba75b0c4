// SPDX-License-Identifier: MIT
// Every answer that the interface permits is shown by a scenario, or somebody says why by none; so
// that a reason that is added to the specification asks for its scenario.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include "scenario/run/coverage.h"
#include "tests/places.h"
#include "tests/scenario/files_support.h"

namespace iommucheck::oracle::stories::coverage_test {
namespace {

using spec::sva::AnswerLog;

/// Of all scenarios but one.
AnswerLog log_without(std::string_view id) {
  AnswerLog log;
  for (const scenario::Scenario& scenario : test::all_scenarios()) {
    if (scenario.id != id) log_scenario(scenario, log);
  }
  return log;
}
const AnswerLog& log_of_all() {
  static const AnswerLog log = log_without("");
  return log;
}

/// What no scenario shows and nobody explains.
std::set<std::string> open_in(const AnswerLog& log) {
  std::set<std::string> open;
  for (const CoverageLine& line : coverage_of(log)) {
    if (!line.explained()) open.insert(line.call + ": " + line.answer);
  }
  return open;
}

/// The words of permitted answers, as the sources have them.
std::set<std::string> reasons_in_sources() {
  std::set<std::string> reasons;
  const std::regex added("\\.add\\(Status::[a-z_]+,\\s*\"([^\"]+)\"");
  for (const auto& entry : std::filesystem::directory_iterator(test::in_tree("spec/sva"))) {
    if (entry.path().extension() != ".cpp") continue;
    std::ifstream in(entry.path());
    const std::string text(std::istreambuf_iterator<char>(in), {});
    for (std::sregex_iterator at(text.begin(), text.end(), added), end; at != end; ++at) {
      reasons.insert((*at)[1]);
    }
  }
  return reasons;
}

TEST(ScenarioCoverage, EveryAnswerIsShownOrExplained) {
  EXPECT_EQ(open_in(log_of_all()), std::set<std::string>{});
  const auto lines = coverage_of(log_of_all());
  const auto shown =
      std::ranges::count_if(lines, [](const CoverageLine& line) { return !line.shown.empty(); });
  EXPECT_GE(shown, 300);
}

TEST(ScenarioCoverage, EveryReasonOfTheSpecificationIsPermittedSomewhere) {
  std::set<std::string> permitted;
  for (const auto& [answer, shown] : log_of_all().answers) permitted.insert(answer.reason);
  const std::set<std::string> reasons = reasons_in_sources();
  EXPECT_GT(reasons.size(), 80U);
  for (const std::string& reason : reasons) {
    const bool said =
        std::ranges::any_of(unshown(), [&](const Unshown& one) { return one.what == reason; });
    EXPECT_TRUE(said || permitted.contains(reason)) << reason;
  }
}

TEST(ScenarioCoverage, NobodyExplainsWhatIsShownOrIsNoAnswer) {
  for (const Unshown& one : idle_reasons(log_of_all())) {
    ADD_FAILURE() << one.call << " " << one.status << " \"" << one.what << "\" is shown";
  }
  const std::set<std::string> reasons = reasons_in_sources();
  for (const Unshown& one : unshown()) {
    EXPECT_FALSE(one.why.empty()) << one.what;
    if (one.status == "during") continue;
    const bool is_reason =
        reasons.contains(std::string(one.what)) || one.what == "the command queue was stuck";
    EXPECT_TRUE(is_reason) << one.what;
  }
}

TEST(ScenarioCoverage, AScenarioThatIsTakenAwayIsMissed) {
  const std::set<std::string> open = open_in(log_without("COV-03"));
  EXPECT_TRUE(open.contains("map: during an exit"));
  EXPECT_FALSE(open.contains("map: with a stuck queue"));
  // What no scenario asks for is missed by its words.
  const AnswerLog log = log_without("TAB-03");
  EXPECT_TRUE(std::ranges::none_of(log.answers, [](const auto& one) {
    return one.first.reason == "no IOMMU ever walks a dynamic domain";
  }));
}

}  // namespace
}  // namespace iommucheck::oracle::stories::coverage_test
