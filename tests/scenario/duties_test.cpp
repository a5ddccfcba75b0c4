// SPDX-License-Identifier: MIT
// The table of docs/interface.md, "What the caller must keep": every rule of the caller is in it,
// each scenario of it blames the caller for that rule and nobody for anything else, on every driver
// that may run it, and each museum driver beside it is blamed for rules of the driver.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>

#include "check/lockstep.h"
#include "check/sequence.h"
#include "impl/driver.h"
#include "scenario/run/driver_subject.h"
#include "scenario/run/own_tables.h"
#include "scenario/run/runner.h"
#include "spec/rules.h"
#include "spec/rules/interface.h"
#include "tests/places.h"
#include "tests/scenario/files_support.h"

namespace iommucheck::oracle::stories::duties_test {
namespace {

using Status = ScenarioResult::Status;

struct Duty {
  std::string rule;
  std::vector<std::string> scenarios;
  std::vector<std::string> twins;
};

std::vector<std::string> all_in(const std::string& text, const std::regex& what) {
  std::vector<std::string> found;
  for (std::sregex_iterator at(text.begin(), text.end(), what), end; at != end; ++at) {
    found.push_back((*at)[1]);
  }
  return found;
}

/// The rows of the table, duty by duty.
std::vector<Duty> duties_in(std::istream& in) {
  std::vector<Duty> duties;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("## ")) inside = line == "## What the caller must keep";
    const std::vector<std::string> cells = all_in(line, std::regex("\\|([^|]*)(?=\\|)"));
    if (!inside || cells.size() != 4 || cells[1].find('`') == std::string::npos) continue;
    const std::regex name("`([A-Za-z_0-9]+)`");
    Duty duty;
    for (const std::string& rule : all_in(cells[1], name)) duty.rule = rule;
    duty.scenarios = all_in(cells[2], std::regex("([A-Z]+-[0-9]+)"));
    duty.twins = all_in(cells[3], name);
    duties.push_back(duty);
  }
  return duties;
}
const std::vector<Duty>& duties() {
  static const std::vector<Duty> all = [] {
    std::ifstream in(test::in_tree("docs/interface.md"));
    return duties_in(in);
  }();
  return all;
}

const scenario::Scenario* find(const std::string& id) {
  const auto& all = test::all_scenarios();
  const auto at = std::ranges::find_if(all, [&](const auto& one) { return one.id == id; });
  return at == all.end() ? nullptr : &*at;
}

ScenarioResult on_builtin(const scenario::Scenario& scenario) {
  return run_scenario(scenario,
                      {.make_subject = make_builtin_subject, .trace = {}, .make_second = make_two});
}

/// Passes, and blames for that rule; or, where it may, needs something that is not there.
void blames(const Duty& duty, const std::string& id, const ScenarioResult& result, bool may_need) {
  if (may_need && result.status == Status::needs) return;
  EXPECT_EQ(result.status, Status::passed)
      << id << ": "
      << (result.failure ? result.failure->step + ", " + result.failure->observed : "");
  const auto rule = spec::find_rule(duty.rule);
  ASSERT_TRUE(rule) << duty.rule;
  EXPECT_TRUE(result.blamed.contains(*rule)) << id << " blames nobody for " << duty.rule;
}

TEST(CallersDuties, EachRuleOfTheCallersHasItsRow) {
  std::set<std::string> expected;
  for (const spec::RuleInfo& info : spec::all_rules()) {
    if (info.keeper == spec::Keeper::caller) expected.emplace(info.name);
  }
  std::set<std::string> written;
  for (const Duty& duty : duties()) written.insert(duty.rule);
  EXPECT_EQ(written, expected);
}

TEST(CallersDuties, EachScenarioBlamesTheCallerForIt) {
  for (const Duty& duty : duties()) {
    EXPECT_FALSE(duty.scenarios.empty()) << duty.rule;
    for (const std::string& id : duty.scenarios) {
      const scenario::Scenario* scenario = find(id);
      ASSERT_NE(scenario, nullptr) << id;
      blames(duty, id, on_builtin(*scenario), false);
      blames(duty, id, run_scenario(*scenario, {.make_subject = make_model, .trace = {}}), false);
      blames(duty, id, run_scenario(*scenario, {.make_subject = make_two, .trace = {}}), true);
    }
  }
}

/// A story of shared tables is another one without: of each duty one is the same in both forms.
TEST(CallersDuties, WithTablesPerDeviceToo) {
  for (const Duty& duty : duties()) {
    const bool any = std::ranges::any_of(duty.scenarios, [&](const std::string& id) {
      const auto changed = with_own_tables(*find(id));
      if (!changed) return false;
      const ScenarioResult result = on_builtin(*changed);
      return result.status == Status::passed && result.blamed.contains(*spec::find_rule(duty.rule));
    });
    EXPECT_TRUE(any) << duty.rule;
  }
}

TEST(CallersDuties, EachDriverBesideItIsBlamedItself) {
  for (const Duty& duty : duties()) {
    EXPECT_FALSE(duty.twins.empty()) << duty.rule;
    for (const std::string& twin : duty.twins) {
      std::ifstream in(test::in_tree("tests/museum/") + twin + ".json");
      const std::string text(std::istreambuf_iterator<char>(in), {});
      std::smatch breaks;
      const std::regex list("\"breaks\": \\[([^\\]]*)\\]");
      ASSERT_TRUE(std::regex_search(text, breaks, list)) << twin;
      const std::vector<std::string> rules = all_in(breaks[1], std::regex("\"([A-Z_0-9]+)\""));
      EXPECT_FALSE(rules.empty()) << twin;
      for (const std::string& name : rules) {
        const auto rule = spec::find_rule(name);
        ASSERT_TRUE(rule) << name;
        EXPECT_EQ(spec::rule_info(*rule).keeper, spec::Keeper::driver) << twin << ": " << name;
      }
    }
  }
}

/// They free domains in use, and let handlers pass their bound; the driver keeps its word.
TEST(CallersDuties, CampaignsKeepAllButTwo) {
  for (const char* name : {"builtin", "builtin-per-device"}) {
    Lockstep lockstep(*impl::builtin_driver(name), {});
    ASSERT_EQ(lockstep.boot(), "");
    std::set<spec::Rule> blamed;
    Sequence sequence;
    for (u64 number = 0; number < 400; ++number) {
      make_sequence(77, number, 20, sequence);
      lockstep.run(sequence.operations, sequence.ends, sequence.shared);
      ASSERT_TRUE(lockstep.monitor().findings().empty()) << name << ", sequence " << number;
      for (const Finding& one : lockstep.monitor().blamed_on_caller()) blamed.insert(one.rule);
    }
    EXPECT_EQ(blamed, (std::set{spec::rule::HANDLER_BOUND, spec::rule::DOMAIN_IN_USE})) << name;
  }
}

/// Twins: a scenario that keeps the duty, one of another duty, a table without rows.
TEST(CallersDuties, AScenarioThatBlamesForSomethingElseIsNoticed) {
  const ScenarioResult kept = on_builtin(*find("CAL-02"));
  EXPECT_EQ(kept.status, Status::passed);
  EXPECT_TRUE(kept.blamed.empty());
  const ScenarioResult other = on_builtin(*find("CAL-01"));
  EXPECT_EQ(other.blamed, std::set{spec::rule::RANGE_UNSYNCED});
  std::istringstream none(
      "## What the caller must keep\n\n| duty | rule | a | b |\n|---|---|---|---|\n");
  EXPECT_TRUE(duties_in(none).empty());
}

}  // namespace
}  // namespace iommucheck::oracle::stories::duties_test
