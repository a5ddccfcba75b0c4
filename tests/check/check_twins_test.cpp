// SPDX-License-Identifier: MIT
// The main job's own proof: each broken twin of the driver is found with a short sequence and the
// rule that its metadata expects, and what is right is left alone. This is the fast part, from one
// seed or two; `./dev museum --seeds 5` asks that each is found within a minute from each of five.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "check/check.h"
#include "check/finding_kind.h"
#include "monitor/replay.h"
#include "report/finding_text.h"
#include "spec/rules/promises.h"
#include "tests/check/lockstep_support.h"
#include "tests/places.h"
#include "trace/trace_file.h"

namespace iommucheck::test::check_twins_test {
namespace {

using oracle::CheckOptions;
using oracle::CheckResult;
using oracle::Violation;
using ::testing::Contains;
using ::testing::HasSubstr;

class Folder {
 public:
  Folder()
      : path_(std::filesystem::temp_directory_path() /
              ("iommucheck-check-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

CheckResult check(CheckOptions options) {
  auto result = oracle::run_check(options);
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

nlohmann::json entry(const std::string& twin) {
  std::ifstream file(test::in_tree("tests/museum/") + twin + ".json");
  return nlohmann::json::parse(file);
}

std::vector<std::string> families_expected(const std::string& twin) {
  return entry(twin).at("rules").get<std::vector<std::string>>();
}

/// What its finding has to name: the command, word, register, call or reason that its patch
/// touches. Where a mistake shows in several ways, one of them.
std::vector<std::string> named_by(const nlohmann::json& its) {
  const nlohmann::json& named = its.at("named");
  if (named.is_string()) return {named.get<std::string>()};
  return named.get<std::vector<std::string>>();
}

void expect_named(const std::string& twin, const Violation& found) {
  std::vector<std::string> told = evidence(found);
  told.push_back(headline(found));
  const std::vector<std::string> names = named_by(entry(twin));
  const bool named = std::ranges::any_of(names, [&](const std::string& name) {
    return !name.empty() &&
           std::ranges::any_of(told, [&](const std::string& line) { return line.contains(name); });
  });
  EXPECT_TRUE(named) << twin << ": " << full_text(found);
}

/// On the machine and from the seed that the entry names.
CheckOptions options_of(const std::string& twin) {
  const nlohmann::json its = entry(twin);
  CheckOptions options;
  options.driver = museum(twin);
  options.machine = its.value("machine", "drawn");
  options.seed = its.value("seed", 1U);  // where it shows early
  return options;
}

/// By one rule of its families: which of those that it breaks comes first depends on what is drawn.
void expect_found(const std::string& twin, const CheckOptions& options, u64 calls_max) {
  const CheckResult result = check(options);
  ASSERT_EQ(result.findings.size(), 1U);
  const Violation& found = result.findings.front();
  const std::string family(spec::family_name(spec::rule_info(found.rule).family));
  EXPECT_THAT(families_expected(twin), Contains(family))
      << spec::rule_name(found.rule) << ": " << headline(found);
  EXPECT_LE(found.calls, calls_max);
  expect_named(twin, found);
}

TEST(Museum, EachEntrySaysWhatItsFindingNames) {
  u32 entries = 0;
  for (const auto& file : std::filesystem::directory_iterator(test::in_tree("tests/museum"))) {
    if (file.path().extension() != ".json") continue;
    const std::string name = file.path().stem().string();
    const nlohmann::json its = entry(name);
    ASSERT_TRUE(its.contains("named")) << name;
    const std::vector<std::string> names = named_by(its);
    EXPECT_FALSE(names.empty()) << name;
    // "CD" and the like stand in any finding.
    for (const std::string& one : names) EXPECT_GE(one.size(), 3U) << name << ": " << one;
    ++entries;
  }
  EXPECT_GE(entries, 228U);
}

class CheckTwin : public ::testing::TestWithParam<std::string> {};

TEST_P(CheckTwin, IsFoundFromEachSeed) {
  const Folder folder;
  for (u64 seed = 1; seed <= 2; ++seed) {
    CheckOptions options;
    options.driver = museum(GetParam());
    options.seed = seed;
    options.sequences = 20'000;
    options.out_directory = folder.path();
    const CheckResult result = check(options);
    ASSERT_EQ(result.findings.size(), 1U) << "seed " << seed;
    const Violation& found = result.findings.front();
    const spec::RuleInfo& rule = spec::rule_info(found.rule);
    const std::string family(spec::family_name(rule.family));
    EXPECT_THAT(families_expected(GetParam()), Contains(family))
        << "seed " << seed << ": " << headline(found);
    expect_named(GetParam(), found);
    EXPECT_EQ(rule.keeper, spec::Keeper::driver);
    EXPECT_LE(found.calls, 10U) << "seed " << seed;
    EXPECT_GE(found.calls, 3U);
    EXPECT_FALSE(headline(found).empty());
    const auto trace = trace::read_trace(found.trace_path);
    ASSERT_TRUE(trace.has_value()) << trace.error().message;
    EXPECT_GT(trace->events.size(), 20U);
    oracle::ReplayOptions again;
    again.trace = found.trace_path;
    const auto replayed = oracle::run_replay(again);
    ASSERT_TRUE(replayed.has_value()) << replayed.error().message;
    ASSERT_FALSE(replayed->findings.empty()) << "seed " << seed;
    EXPECT_EQ(replayed->findings.front().rule, found.rule) << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Museum, CheckTwin, ::testing::ValuesIn(twins()),
                         [](const auto& its) { return its.param; });

/// Bugs that one fixed machine, or no rule, hid.
class CheckMachineTwin : public ::testing::TestWithParam<std::string> {};

TEST_P(CheckMachineTwin, IsFound) {
  CheckOptions options = options_of(GetParam());
  options.sequences = 20'000;
  expect_found(GetParam(), options, 20);
}

INSTANTIATE_TEST_SUITE_P(Museum, CheckMachineTwin, ::testing::ValuesIn(machine_twins()),
                         [](const auto& its) { return its.param; });

INSTANTIATE_TEST_SUITE_P(Walkers, CheckMachineTwin, ::testing::ValuesIn(walker_twins()),
                         [](const auto& its) { return its.param; });

/// Entries of the museum that no list names, as many as were compiled (IOMMUCHECK_MUSEUM_PART).
std::vector<std::string> other_twins() {
  std::vector<std::string> names;
  std::ifstream compiled(test::in_build("museum/compiled.list"));
  for (std::string name; std::getline(compiled, name);) {
    const auto lists = {&twins(), &process_twins(), &machine_twins(), &walker_twins()};
    const bool listed = std::ranges::any_of(
        lists, [&](const auto* list) { return std::ranges::find(*list, name) != list->end(); });
    // What it breaks is said of each; one without that is no single rule's.
    if (!listed && entry(name).contains("breaks")) names.push_back(name);
  }
  std::ranges::sort(names);
  return names;
}

TEST(CheckDriver, OfTheMuseumNoFewAreThere) { EXPECT_GE(other_twins().size(), 70U); }

class CheckOtherTwin : public ::testing::TestWithParam<std::string> {};

TEST_P(CheckOtherTwin, IsFoundByARuleOfItsFamilies) {
  CheckOptions options = options_of(GetParam());
  options.sequences = 60'000;
  options.hang_seconds = 0.25;
  // Each try to shorten a hang costs the time to see that it hangs.
  options.shrink = families_expected(GetParam()) != std::vector<std::string>{"hang"};
  if (!options.shrink) options.steps_max = u64{1} << 18;  // a sixteenth of that time
  expect_found(GetParam(), options, options.shrink ? entry(GetParam()).value("calls", 24U) : 100);
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CheckOtherTwin);  // without a museum
INSTANTIATE_TEST_SUITE_P(Museum, CheckOtherTwin, ::testing::ValuesIn(other_twins()),
                         [](const auto& its) { return its.param; });

/// What was found on the default machine is found on others as well.
TEST(CheckDriver, TheMuseumIsFoundOnDrawnMachines) {
  for (const std::string& twin : twins()) {
    for (u64 machine = 100; machine < 103; ++machine) {
      CheckOptions options;
      options.driver = museum(twin);
      options.machine = "drawn:" + std::to_string(machine);
      options.sequences = 20'000;
      options.shrink = false;
      EXPECT_EQ(check(options).findings.size(), 1U) << twin << " on " << options.machine;
    }
  }
}

TEST(CheckDriver, WithoutABugHolds) {
  for (const std::string& driver :
       {std::string("builtin"), museum("none"), example("simple_driver")}) {
    CheckOptions options;
    options.driver = driver;
    options.sequences = 3200;
    const CheckResult result = check(options);
    EXPECT_TRUE(result.findings.empty())
        << driver << ": " << spec::rule_name(result.findings.front().rule) << ": "
        << headline(result.findings.front());
    EXPECT_EQ(result.sequences, 3200U);
    EXPECT_GT(result.calls, 10'000U);
    EXPECT_GT(result.outcomes_judged, 10'000U);
    EXPECT_GT(result.accesses_judged, 500U);
    u64 hold = 0;
    for (const oracle::RuleCount& count : result.rules) {
      EXPECT_EQ(spec::rule_info(count.rule).keeper, spec::Keeper::driver);
      EXPECT_EQ(count.broken, 0U);
      if (count.verdict == oracle::RuleVerdict::holds) {
        ++hold;
        EXPECT_GT(count.discriminating, 0U);
      } else {
        EXPECT_FALSE(count.why.empty()) << spec::rule_name(count.rule);
      }
    }
    EXPECT_GT(hold, 15U) << driver;
  }
}

TEST(CheckDriver, PluginAndBuiltinAreTheSameRun) {
  CheckOptions options;
  options.seed = 4;
  options.sequences = 300;
  const CheckResult inside = check(options);
  options.driver = museum("none");
  const CheckResult outside = check(options);
  EXPECT_EQ(inside.calls, outside.calls);
  EXPECT_EQ(inside.calls_succeeded, outside.calls_succeeded);
  EXPECT_EQ(inside.accesses_judged, outside.accesses_judged);
  EXPECT_EQ(inside.outcomes_judged, outside.outcomes_judged);
}

TEST(CheckDriver, TheExamplesBugIsExplained) {
  CheckOptions options;
  options.driver = example("simple_driver_buggy");
  options.sequences = 5000;
  const CheckResult result = check(options);
  ASSERT_EQ(result.findings.size(), 1U);
  const Violation& found = result.findings.front();
  EXPECT_EQ(found.rule, spec::rule::PAGE_REUSE);
  EXPECT_LE(found.calls, 5U);
  EXPECT_THAT(headline(found), HasSubstr("promised: a fault"));
  EXPECT_THAT(evidence(found), Contains(HasSubstr("a cached translation for")));
  EXPECT_THAT(evidence(found), Contains(HasSubstr("the driver stores 0x0 at")));
  EXPECT_THAT(evidence(found), Contains(HasSubstr("unmap(domain 0x1, iova")));
}

TEST(CheckDriver, SeveralFindingsDifferInRuleOrKind) {
  CheckOptions options;
  options.driver = museum("no_cmd_sync");
  options.sequences = 3000;
  options.findings_max = 3;
  options.shrink = false;
  const CheckResult result = check(options);
  ASSERT_EQ(result.findings.size(), 3U);
  for (std::size_t i = 1; i < result.findings.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      EXPECT_NE(key_of(result.findings[i]), key_of(result.findings[j]));
    }
  }
  EXPECT_LT(result.sequences, 3000U) << "the third finding ends it";
}

TEST(CheckDriver, ARunGoesOnWhereAnotherStopped) {
  CheckOptions options;
  options.sequences = 400;
  const CheckResult whole = check(options);
  // Between two families: what one has in common is performed once.
  static_assert(152 % oracle::family_size == 0);
  options.sequences = 152;
  const CheckResult first = check(options);
  options.first_sequence = 152;
  options.sequences = 248;
  const CheckResult second = check(options);
  EXPECT_EQ(whole.calls, first.calls + second.calls);
  EXPECT_EQ(whole.outcomes_judged, first.outcomes_judged + second.outcomes_judged);
  // In the middle of one it is performed once more.
  options.first_sequence = 150;
  options.sequences = 250;
  EXPECT_GT(check(options).calls, second.calls);
}

TEST(CheckDriver, StopsWhenAskedTo) {
  for (const std::string& driver : {std::string("builtin"), museum("none")}) {
    CheckOptions options;
    options.driver = driver;
    options.seconds = 60;
    u64 shown = 0;
    options.progress = [&](const oracle::CheckProgress& now) {
      ++shown;
      EXPECT_GE(now.fraction_done, 0);
      EXPECT_LE(now.fraction_done, 1);
    };
    options.stop = [&] { return shown > 0; };
    const CheckResult result = check(options);
    EXPECT_TRUE(result.stopped) << driver;
    EXPECT_LT(result.seconds, 30);
    EXPECT_GT(result.sequences, 0U);
  }
}

TEST(CheckDriver, BadOptionsAreRefused) {
  const auto refused = [](auto change, const char* why) {
    CheckOptions options;
    options.sequences = 1;
    change(options);
    const auto result = oracle::run_check(options);
    ASSERT_FALSE(result.has_value()) << why;
    EXPECT_EQ(result.error().code, ErrorCode::bad_input);
    EXPECT_THAT(result.error().message, HasSubstr(why));
  };
  refused([](CheckOptions& o) { o.sequences = 0; }, "neither");
  refused([](CheckOptions& o) { o.seconds = -1; }, "seconds");
  refused([](CheckOptions& o) { o.operations_max = 0; }, "operations");
  refused([](CheckOptions& o) { o.operations_max = 65; }, "operations");
  refused([](CheckOptions& o) { o.findings_max = 0; }, "findings");
  refused([](CheckOptions& o) { o.hang_seconds = 0; }, "hang");
  refused([](CheckOptions& o) { o.driver.clear(); }, "driver");
  refused([](CheckOptions& o) { o.driver = "/nowhere/driver.so"; }, "/nowhere/driver.so");
  refused([](CheckOptions& o) { o.driver = test::in_build("test-plugins/no_entry.so"); },
          "no_entry.so");
}

TEST(CheckDriver, AFolderThatCannotBeWrittenIsSaid) {
  CheckOptions options;
  options.driver = museum("unmap_no_tlbi");
  options.sequences = 1000;
  options.out_directory = "/proc/nowhere";
  const auto result = oracle::run_check(options);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::environment);
}

}  // namespace
}  // namespace iommucheck::test::check_twins_test
