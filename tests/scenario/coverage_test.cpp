// SPDX-License-Identifier: MIT
// Every answer that the interface permits (spec/sva/answers.def) is shown by a scenario, or
// somebody says why by none; so that a reason that is added to the specification asks for its
// scenario, and no scenario goes unmissed.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "scenario/format/parser.h"
#include "scenario/run/coverage.h"
#include "tests/scenario/files_support.h"

namespace iommucheck::oracle::stories::coverage_test {
namespace {

using spec::sva::AnswerLog;
using spec::sva::Reason;

/// Of each file by itself.
const std::map<std::string, AnswerLog>& logs() {
  static const std::map<std::string, AnswerLog> all = [] {
    std::map<std::string, AnswerLog> each;
    for (const std::string& path : test::scenario_paths()) {
      const auto file = scenario::parse_file(path);
      EXPECT_TRUE(file) << path;
      if (!file) continue;
      for (const scenario::Scenario& one : file->scenarios) log_scenario(one, each[path]);
    }
    return each;
  }();
  return all;
}

AnswerLog log_without(const std::string& path) {
  AnswerLog log;
  for (const auto& [of, its] : logs()) {
    if (of != path) log.add(its);
  }
  return log;
}

const AnswerLog& log_of_all() {
  static const AnswerLog log = log_without("");
  return log;
}

std::string text_of(const CoverageLine& line) { return line.call + ": " + line.answer; }

/// What no scenario shows and nobody explains: then `--coverage` ends with status 1.
std::set<std::string> open_in(const AnswerLog& log) {
  std::set<std::string> open;
  for (const CoverageLine& line : coverage_of(log)) {
    if (!line.explained()) open.insert(text_of(line));
  }
  return open;
}

std::set<std::string> shown_in(const AnswerLog& log) {
  std::set<std::string> shown;
  for (const CoverageLine& line : coverage_of(log)) {
    if (!line.shown.empty()) shown.insert(text_of(line));
  }
  return shown;
}

TEST(ScenarioCoverage, EveryAnswerIsShownOrExplained) {
  for (const std::string& cell : open_in(log_of_all())) ADD_FAILURE() << cell;
  EXPECT_GE(shown_in(log_of_all()).size(), 400U);
}

TEST(ScenarioCoverage, NobodyExplainsWhatIsShownOrIsNoAnswer) {
  for (const Unshown& one : idle_reasons(log_of_all())) {
    ADD_FAILURE() << spec::sva::call_name(one.cell.call) << " "
                  << (one.cell.reason ? spec::sva::reason_name(*one.cell.reason) : "during")
                  << " is shown, or is no answer";
  }
  for (const Unshown& one : unshown()) EXPECT_FALSE(one.why.empty());
}

TEST(ScenarioCoverage, EveryReasonIsSomeCalls) {
  std::set<Reason> given{Reason::call_not_built};
  for (u32 i = 0; i < spec::sva::call_count(); ++i) {
    const auto call = static_cast<spec::sva::CallKind>(i);
    const auto reasons = spec::sva::reasons_of(call);
    EXPECT_EQ(reasons.empty(), !spec::sva::call_is_built(call)) << spec::sva::call_name(call);
    given.insert(reasons.begin(), reasons.end());
  }
  for (u32 i = 0; i < static_cast<u32>(Reason::count); ++i) {
    EXPECT_TRUE(given.contains(static_cast<Reason>(i)))
        << spec::sva::reason_name(static_cast<Reason>(i));
  }
}

/// Any one file that is taken away is missed by the exit status, or shows nothing by itself.
TEST(ScenarioCoverage, NoFileGoesUnmissed) {
  const std::set<std::string> shown = shown_in(log_of_all());
  unsigned missed = 0;
  for (const auto& [path, log] : logs()) {
    const AnswerLog rest = log_without(path);
    const std::set<std::string> left = shown_in(rest);
    const std::set<std::string> open = open_in(rest);
    for (const std::string& cell : shown) {
      EXPECT_TRUE(left.contains(cell) || open.contains(cell))
          << path << " alone shows " << cell << ", and nobody would miss it";
    }
    missed += open.empty() ? 0 : 1;
  }
  EXPECT_GE(missed, 8U);
}

}  // namespace
}  // namespace iommucheck::oracle::stories::coverage_test
