// SPDX-License-Identifier: MIT
// The scenarios on the interface specification and on the builtin driver; and that every
// expectation in them is one: changed, it is noticed at its line.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <regex>
#include <set>

#include "impl/driver.h"
#include "scenario/format/parser.h"
#include "scenario/format/print.h"
#include "scenario/run/driver_subject.h"
#include "scenario/run/own_tables.h"
#include "scenario/run/runner.h"
#include "tests/places.h"
#include "tests/scenario/files_support.h"

namespace iommucheck::oracle::stories::run_test {
namespace {

using scenario::Scenario;
using scenario::Value;
using Status = ScenarioResult::Status;

ScenarioResult on_spec(const Scenario& scenario) {
  return run_scenario(scenario, {.make_subject = make_model, .trace = {}, .exact_faults = true});
}
ScenarioResult on_builtin(const Scenario& scenario) {
  return run_scenario(scenario,
                      {.make_subject = make_builtin_subject, .trace = {}, .make_second = make_two});
}

std::string text_of(const Scenario& scenario, const ScenarioResult& result) {
  if (!result.failure) return scenario.id;
  const StepFailure& failure = *result.failure;
  std::string text = scenario.id + " line " + std::to_string(failure.place.line) + ": " +
                     failure.step + "\n expected " + failure.expected + "\n observed " +
                     failure.observed;
  for (const std::string& line : failure.evidence) text += "\n " + line;
  return text;
}

/// The first column of the table of docs/scenarios.md.
std::set<std::string> said_not_to_be_built() {
  std::ifstream in(test::in_tree("docs/scenarios.md"));
  std::set<std::string> names;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("## ")) inside = line == "## What is not built yet";
    if (!inside || !line.starts_with("| `")) continue;
    const std::string what = line.substr(0, line.find(" | "));
    const std::regex name("`([^`]+)`");
    for (std::sregex_iterator at(what.begin(), what.end(), name), end; at != end; ++at) {
      names.insert((*at)[1]);
    }
  }
  return names;
}

/// Those that use what is not built yet, and docs/scenarios.md says so.
bool is_ahead(const ScenarioResult& result) {
  static const std::set<std::string> names = said_not_to_be_built();
  return std::ranges::all_of(result.needs, [](const std::string& need) {
    const std::size_t value = need.find('=');
    const bool any = value != std::string::npos && names.contains(need.substr(0, value + 1));
    return any || names.contains(need);
  });
}

TEST(ScenarioFiles, WhatIsNotBuiltIsSaidWithItsReason) {
  EXPECT_GT(said_not_to_be_built().size(), 20U);
  ScenarioResult result;
  for (const char* said : {"event_queue_open", "dirty=1", "iopf=pri", "hooks=-x"}) {
    result.needs = {said};
    EXPECT_TRUE(is_ahead(result)) << said;
  }
  for (const char* built : {"fault_queue_open", "map", "tables=per_device", "nonsense=1"}) {
    result.needs = {"event_queue_open", built};
    EXPECT_FALSE(is_ahead(result)) << built;
  }
}

/// Reads no queue of page requests, and knows one IOMMU.
std::unique_ptr<Subject> make_without() {
  static const iommucheck_driver driver = [] {
    iommucheck_driver without = *impl::builtin_driver();
    without.flags &= ~(IOMMUCHECK_DRIVER_PAGE_REQUESTS | IOMMUCHECK_DRIVER_SEVERAL_IOMMUS);
    return without;
  }();
  return std::make_unique<DriverSubject>(driver, false, nullptr);
}

/// No verdict follows from what a subject has not got: several IOMMUs and groups of page requests
/// drivers have that say so.
TEST(ScenarioFiles, WhatASubjectHasNotIsANeed) {
  struct Case {
    const char* text;
    const char* need;
    std::vector<std::unique_ptr<Subject> (*)()> subjects;
  };
  const Case all[] = {
      {"@ A x y\n  dev D0 iommu=A\n  dev D1 iommu=B\n  d = domain_alloc(paging) -> new\n"
       "  attach(d, D0) -> ok\n  attach(d, D1) -> EINVAL\n",
       "several IOMMUs",
       {make_without}},
      {"@ A x y\n  dev D0 iopf=pri\n  dma D0.1 0x1000 r g=1 last=0 -> F.pasid\n",
       "page request groups",
       {make_without}},
  };
  for (const auto& [text, need, subjects] : all) {
    const auto file = scenario::parse(text, "needs");
    ASSERT_TRUE(file) << file.error().message;
    for (const auto& make : subjects) {
      const ScenarioResult result =
          run_scenario(file->scenarios.at(0), {.make_subject = make, .trace = {}});
      EXPECT_EQ(result.status, Status::needs) << need;
      EXPECT_NE(std::ranges::find(result.needs, need), result.needs.end()) << need;
    }
  }
}

/// Where the interface leaves a choice, a driver of somebody's may have made the other one. The
/// builtin ones are held to theirs, and what is no choice is an error of whoever's.
TEST(ScenarioRunner, AnotherRightAnswerIsANeedOfAPlugin) {
  const std::string begin =
      "@ A x y\n  dev D0 iopf=stall\n  proc X\n  d = domain_alloc(paging) -> new\n"
      "  attach(d, D0) -> ok\n  sva_device_init(D0, [iopf], 1, 0, mm_exit) -> ok\n"
      "  exit(X) -> ok\n  bind_device(D0, X, [unknown], 0) -> ";
  const auto status_of = [&](const std::string& expected, auto make) {
    const auto file = scenario::parse(begin + expected + "\n", "choice");
    EXPECT_TRUE(file) << file.error().message;
    if (!file) return Status::undecided;
    return run_scenario(file->scenarios.at(0), {.make_subject = make, .trace = {}}).status;
  };
  std::multiset<Status> of_plugin, of_builtin;
  for (const char* choice : {"EINVAL", "ESRCH"}) {
    of_plugin.insert(status_of(choice, make_without));
    of_builtin.insert(status_of(choice, make_builtin_subject));
  }
  EXPECT_EQ(of_plugin, (std::multiset{Status::passed, Status::needs}));
  EXPECT_EQ(of_builtin, (std::multiset{Status::passed, Status::failed}));
  for (const char* wrong : {"ENOMEM", "ok", "1"}) {
    EXPECT_EQ(status_of(wrong, make_without), Status::failed) << wrong;
  }
}

/// IOMMUs have whatever names the devices give them.
TEST(ScenarioFiles, ADomainIsForDevicesOfOneIommu) {
  const auto file = scenario::parse(
      "@ A x y\n  dev D0 iommu=A\n  dev D1 iommu=B\n  d = domain_alloc(paging) -> new\n"
      "  attach(d, D0) -> ok\n  attach(d, D1) -> EINVAL\n"
      "@ B x y\n  dev D0 iommu=A\n  dev D1 iommu=B\n  d = domain_alloc(paging, B) -> new\n"
      "  attach(d, D1) -> ok\n  attach(d, D0) -> ok\n",
      "iommus");
  ASSERT_TRUE(file) << file.error().message;
  for (const auto& make : {make_model, make_builtin_subject, make_two}) {
    const ScenarioOptions options{.make_subject = make, .trace = {}};
    EXPECT_EQ(run_scenario(file->scenarios.at(0), options).status, Status::passed);
    EXPECT_EQ(run_scenario(file->scenarios.at(1), options).status, Status::failed);
  }
}

TEST(ScenarioNeeds, WhoNamesNoIommuIsBehindTheFirst) {
  const auto file = scenario::parse(
      "@ A x y\n  world iommus=2\n  dev D0 iommu=I0\n  dev D1\n  d = domain_alloc(paging) -> new\n"
      "  attach(d, D0) -> ok\n  attach(d, D1) -> ok\n",
      "one IOMMU");
  ASSERT_TRUE(file) << file.error().message;
  const ScenarioResult result = on_builtin(file->scenarios.at(0));
  EXPECT_EQ(result.status, Status::passed) << text_of(file->scenarios.at(0), result);
}

/// Nothing is promised of what a user's tables say once they are not mapped; whose fault ends the
/// access is known all the same.
TEST(ScenarioProbes, AFaultOfStage2OfAUsersHasItsName) {
  const auto file = scenario::parse(
      "@ A x y\n  dev D0\n  page P1\n  s = domain_alloc(paging_s2) -> new\n"
      "  map(s, 0x10000, P1, 0x1000, rw) -> ok\n  upt U 0x1000 0x10000 rw\n"
      "  n = domain_alloc(nested, s, U) -> new\n  attach(n, D0) -> ok\n  ? D0 0x1000 r -> P1\n"
      "  unmap(s, 0x40000000, 0x100000) -> 0x100000\n  ? D0 0x1000 r -> F.s2unmapped\n",
      "stage 2");
  ASSERT_TRUE(file) << file.error().message;
  const ScenarioResult result = on_builtin(file->scenarios.at(0));
  EXPECT_EQ(result.status, Status::passed) << text_of(file->scenarios.at(0), result);
}

TEST(ScenarioFiles, HoldOnTheInterfaceSpecification) {
  unsigned passed = 0;
  for (const Scenario& scenario : test::all_scenarios()) {
    const ScenarioResult result = on_spec(scenario);
    EXPECT_NE(result.status, Status::failed) << text_of(scenario, result);
    EXPECT_TRUE(result.status != Status::needs || is_ahead(result)) << scenario.id;
    passed += result.status == Status::passed ? 1 : 0;
  }
  EXPECT_GE(passed, 140U);
}

TEST(ScenarioFiles, HoldOnTheBuiltinDriver) {
  unsigned passed = 0;
  for (const Scenario& scenario : test::all_scenarios()) {
    const ScenarioResult result = on_builtin(scenario);
    EXPECT_NE(result.status, Status::failed) << text_of(scenario, result);
    EXPECT_TRUE(result.status != Status::needs || is_ahead(result)) << scenario.id;
    passed += result.status == Status::passed ? 1 : 0;
  }
  EXPECT_GE(passed, 140U);
}

/// What is told of the interface holds for both forms, but for stories of devices that share a
/// table.
TEST(ScenarioFiles, HoldOnTheBuiltinDriverWithTablesOfEachDevice) {
  const std::set<std::string> of_shared_tables = {"ATC-01", "BIN-09", "CAL-08"};
  std::set<std::string> differ;
  unsigned passed = 0;
  for (const Scenario& scenario : test::all_scenarios()) {
    const auto changed = with_own_tables(scenario);
    if (!changed) continue;
    const ScenarioResult result = on_builtin(*changed);
    if (of_shared_tables.contains(scenario.id)) {
      if (result.status == Status::failed) differ.insert(scenario.id);
      continue;
    }
    EXPECT_NE(result.status, Status::failed) << text_of(*changed, result);
    passed += result.status == Status::passed ? 1 : 0;
  }
  EXPECT_EQ(differ, of_shared_tables);
  EXPECT_GE(passed, 120U);
}

/// A driver that has no others is asked the same, but for what is of shared tables.
TEST(ScenarioRunner, ADriverWithTablesOfEachDeviceRunsStoriesOfEither) {
  const auto make = [] {
    return std::make_unique<DriverSubject>(*impl::builtin_driver_per_device(), true, nullptr);
  };
  unsigned passed = 0;
  for (const Scenario& scenario : test::all_scenarios()) {
    if (scenario.id.size() < 2 || scenario.id[0] > 'B') continue;
    const ScenarioResult result = run_scenario(scenario, {.make_subject = make, .trace = {}});
    EXPECT_NE(result.status, Status::failed) << text_of(scenario, result);
    passed += result.status == Status::passed ? 1 : 0;
    if (scenario.id == "ATC-01" || scenario.id == "BIN-09") {
      EXPECT_EQ(result.status, Status::needs) << scenario.id;
    }
  }
  EXPECT_GE(passed, 35U);
}

// ---- every expectation matters ------------------------------------------------------------------

Value word(const char* text) {
  Value value;
  value.kind = Value::Kind::word;
  value.word = text;
  return value;
}
Value number(u64 n) {
  Value value;
  value.number = n;
  value.hex = true;
  return value;
}

/// The step with another expectation, in each way that has to be noticed.
std::vector<scenario::Step> changed(const scenario::Step& step) {
  std::vector<scenario::Step> variants;
  const auto add = [&](auto what) {
    variants.push_back(step);
    variants.back().what = std::move(what);
  };
  if (const auto* invoke = std::get_if<scenario::Invoke>(&step.what)) {
    if (invoke->memory == scenario::Invoke::Memory::none) return variants;
    const bool any =
        std::ranges::any_of(invoke->results, [](const Value& one) { return one.is_word("any"); });
    auto other = *invoke;
    other.results = {word("EPERM")};
    if (!any) add(other);
  }
  if (const auto* resume = std::get_if<scenario::Resume>(&step.what)) {
    auto other = *resume;
    other.results = {word(resume->results[0].is_word("blocked") ? "ok" : "blocked")};
    add(other);
  }
  if (const auto* probe = std::get_if<scenario::Probe>(&step.what)) {
    auto wide = *probe;
    wide.outcomes.push_back(number(0x123456789000));
    add(wide);
    auto wrong = *probe;
    wrong.outcomes = {number(0x123456789000)};
    add(wrong);
    if (probe->outcomes.size() > 1) {
      auto narrow = *probe;
      narrow.outcomes.pop_back();
      add(narrow);
    }
  }
  if (const auto* check = std::get_if<scenario::Check>(&step.what)) {
    using Kind = scenario::Check::Kind;
    auto other = *check;
    if (check->kind == Kind::leaks) {
      if (other.values.empty()) return variants;
      ++other.values[0].items[1].number;
      add(other);
    } else if (check->kind == Kind::callbacks) {
      if (check->values.empty()) {
        return variants;
      }
      other.values.pop_back();
      add(other);
      other = *check;
      other.values[0].items[1] = number(0x4321);
      add(other);
    } else if (check->kind == Kind::asid_pinned) {
      other.values[1] = word(check->values[1].is_word("yes") ? "no" : "yes");
      add(other);
    } else if (check->kind == Kind::hooks_balance) {
      ++other.values[0].number;
      add(other);
    } else if (check->kind == Kind::blame) {
      other.values[0] = word(check->values[0].is_word("none") ? "caller" : "none");
      add(other);
    } else if (check->kind == Kind::draw) {
      other.values.pop_back();
      add(other);
    }
  }
  return variants;
}

TEST(ScenarioFiles, EveryExpectationIsNoticedWhenItIsAnother) {
  unsigned count = 0;
  for (const Scenario& scenario : test::all_scenarios()) {
    if (on_spec(scenario).status != Status::passed) continue;
    for (std::size_t i = 0; i < scenario.steps.size(); ++i) {
      for (const scenario::Step& step : changed(scenario.steps[i])) {
        Scenario wrong = scenario;
        wrong.steps[i] = step;
        const ScenarioResult result = on_spec(wrong);
        ++count;
        ASSERT_EQ(result.status, Status::failed)
            << scenario.id << ": " << scenario::print(step) << " is not noticed";
        EXPECT_EQ(result.failure->place.line, step.place.line) << text_of(wrong, result);
      }
    }
  }
  EXPECT_GE(count, 1000U);
}

// ---- the runner's own lines ---------------------------------------------------------------------

ScenarioResult run(const std::string& steps, bool builtin = false) {
  const auto file = scenario::parse("@ T R t\n" + steps, "t");
  EXPECT_TRUE(file) << (file ? "" : file.error().message);
  if (!file) return {};
  return builtin ? on_builtin(file->scenarios[0]) : on_spec(file->scenarios[0]);
}

constexpr const char* attached =
    "  dev D0\n  page P\n  d = domain_alloc(paging) -> new\n  attach(d, D0) -> ok\n";

TEST(ScenarioRunner, HardwareThatWasTouchedAndNotTouched) {
  const std::string map = "  map(d, 0x1000, P, 0x1000, rw) -> ok\n";
  const std::string unmap = "  unmap(d, 0x1000, 0x1000) -> 0x1000\n";
  EXPECT_EQ(run(attached + map + unmap + "  hw some\n", true).status, Status::passed);
  EXPECT_EQ(run(attached + map + unmap + "  hw none\n", true).status, Status::failed);
  EXPECT_EQ(run(attached + std::string("  attach(d, D0) -> ok\n  hw some\n"), true).status,
            Status::failed);
  EXPECT_EQ(run(attached + std::string("  hw some\n"), true).status, Status::passed);
}

TEST(ScenarioRunner, StateThatIsTheSameAndAnother) {
  const std::string map = "  map(d, 0x1000, P, 0x1000, rw) -> ok\n";
  for (const bool builtin : {false, true}) {
    EXPECT_EQ(run(attached + std::string("  mark\n  same\n"), builtin).status, Status::passed);
    const ScenarioResult result =
        run(attached + std::string("  mark\n") + map + "  same\n", builtin);
    ASSERT_EQ(result.status, Status::failed);
    EXPECT_EQ(result.failure->place.line, 8U);
  }
}

/// A device that has one of two ends: neither may be missing in the set.
TEST(ScenarioRunner, AccessOfWhichTwoEndsAreRight) {
  const std::string gone = std::string(attached) +
                           "  map(d, 0x1000, P, 0x1000, rw) -> ok\n"
                           "  unmap_fast(d, 0x1000, 0x1000) -> 0x1000\n"
                           "  dma D0 0x1000 w g=0 last=1 -> ";
  EXPECT_EQ(run(gone + "P | F.unmapped\n", true).status, Status::passed);
  EXPECT_EQ(run(gone + "P | F.unmapped\n").status, Status::passed);
  for (const char* one : {"P\n", "F.unmapped\n", "F.perm | F.unmapped\n"}) {
    EXPECT_EQ(run(gone + one, true).status, Status::failed) << one;
  }
}

/// What is no fault of its tables, or still waits, has not been ended so.
TEST(ScenarioRunner, AccessThatIsEndedAtOnce) {
  const std::string full =
      "  dev D0 iopf=stall\n  proc X\n  d = domain_alloc(paging) -> new\n"
      "  attach(d, D0) -> ok\n  sva_device_init(D0, [iopf], 1, 0, mm_exit) -> ok\n"
      "  q = fault_queue_open(D0, 1) -> new\n  bind_device(D0, X, [], 0) -> 1\n";
  const std::string first = "  dma D0.1 0x600000 r g=1 last=1 -> F.wait\n";
  const std::string next = "  dma D0.1 0x601000 r g=2 last=1 -> ";
  for (const bool builtin : {false, true}) {
    EXPECT_EQ(run(full + first + next + "F.unmapped\n", builtin).status, Status::passed);
    EXPECT_EQ(run(full + first + next + "F.perm\n", builtin).status, Status::failed);
    EXPECT_EQ(run(full + next + "F.unmapped\n", builtin).status, Status::failed);
  }
}

/// INTERFACE "Faults": a space stalls only while a queue is asked for.
TEST(ScenarioRunner, UsersSpaceBesideItsQueue) {
  const std::string users =
      "  dev D0 iopf=stall\n  s = domain_alloc(paging_s2) -> new\n  upt U 0x1000 0x10000 rw\n"
      "  n = domain_alloc(nested, s, U) -> new\n  attach(n, D0) -> ok\n";
  const std::string open = "  q = fault_queue_open(n, 4) -> new\n";
  const std::string ends =
      "  ? D0 0x3000 r -> F.unmapped\n  dma D0 0x3000 r g=1 last=1 -> F.unmapped\n";
  const std::string waits = "  ? D0 0x3000 r -> F.wait\n";
  const std::string close = "  fault_queue_close(q) -> ok\n";
  EXPECT_EQ(run(users + ends + open + waits + close + ends, true).status, Status::passed);
  EXPECT_EQ(run(users + open + ends, true).status, Status::failed);
}

/// Scenarios' README: each member of the set *that is not a fault* is an outcome under the
/// interface.
TEST(ScenarioRunner, FaultTooManyAndPageTooMany) {
  const auto on = [](const std::string& outcomes, bool exact) {
    const auto file = scenario::parse(
        "@ T R t\n" + std::string(attached) + "  ? D0 0x1000 r -> " + outcomes + "\n", "t");
    return run_scenario(file->scenarios[0],
                        {.make_subject = make_model, .trace = {}, .exact_faults = exact})
        .status;
  };
  EXPECT_EQ(on("F.unmapped | F.perm", false), Status::passed);
  EXPECT_EQ(on("F.unmapped | F.perm", true), Status::failed);
  EXPECT_EQ(on("F.unmapped | P", false), Status::failed);
  EXPECT_EQ(on("F.perm", false), Status::failed);
}

/// One that has a result says whether it succeeds; one without does.
TEST(ScenarioRunner, RecoveryOfAStuckQueue) {
  const std::string stuck = std::string(attached) +
                            "  map(d, 0x1000, P, 0x1000, rw) -> ok\n  stuck\n"
                            "  unmap(d, 0x1000, 0x1000) -> 0x1000\n";
  for (const bool builtin : {false, true}) {
    EXPECT_EQ(run(stuck + "  recover\n  ? D0 0x1000 r -> F.unmapped\n", builtin).status,
              Status::passed);
    EXPECT_EQ(
        run(stuck + "  recover -> ETIMEDOUT\n  ? D0 0x1000 r -> P | F.unmapped\n", builtin).status,
        Status::passed);
    EXPECT_EQ(run(stuck + "  recover -> ok\n", builtin).status, Status::failed);
  }
}

/// Only where that is what is expected of all of them.
TEST(ScenarioRunner, UsersEntriesWhereThereAreNone) {
  const auto two = [](const std::string& result) {
    const auto file = scenario::parse(
        "@ T R t\n  world backend=two\n  dev D0\n  s = domain_alloc(paging_s2) -> new\n"
        "  ucd C 0 empty\n  domain_alloc(nested_pasid, s, C) -> " +
            result + "\n",
        "t");
    return on_builtin(file->scenarios[0]).status;
  };
  EXPECT_EQ(two("EOPNOTSUPP"), Status::passed);
  EXPECT_EQ(two("EPERM"), Status::failed);
  EXPECT_EQ(two("new"), Status::needs);
  EXPECT_EQ(two("EOPNOTSUPP | new"), Status::needs);
}

/// What the interface permits beside a wrong answer is what it permits as things are.
TEST(ScenarioRunner, WhatIsPermittedIsSaidOfAStuckQueueToo) {
  for (const char* stuck : {"", "  stuck\n"}) {
    const auto file = scenario::parse("@ T R t\n  dev D0\n  d = domain_alloc(paging) -> new\n" +
                                          std::string(stuck) + "  attach(d, D0) -> EINVAL\n",
                                      "t");
    ASSERT_TRUE(file) << file.error().message;
    const ScenarioResult result = on_builtin(file->scenarios[0]);
    ASSERT_TRUE(result.failure);
    const std::string text = text_of(file->scenarios[0], result);
    EXPECT_NE(text.find("INTERFACE permits: ok"), std::string::npos) << text;
    EXPECT_EQ(text.find("ETIMEDOUT (") != std::string::npos, *stuck != '\0') << text;
  }
}

TEST(ScenarioRunner, BlameNeedsAViolationOfTheCaller) {
  for (const bool builtin : {false, true}) {
    EXPECT_EQ(
        run(attached + std::string("  domain_free(d) -> EBUSY\n  blame caller\n"), builtin).status,
        Status::passed);
    EXPECT_EQ(run(attached + std::string("  blame caller\n"), builtin).status, Status::failed);
  }
  const std::string early =
      "  map(d, 0x1000, P, 0x1000, rw) -> ok\n  unmap_fast(d, 0x1000, 0x1000) -> 0x1000\n"
      "  page_reuse(P) -> ok\n  blame caller\n";
  EXPECT_EQ(run(attached + early, true).status, Status::passed);
  const std::string right =
      "  map(d, 0x1000, P, 0x1000, rw) -> ok\n  unmap(d, 0x1000, 0x1000) -> 0x1000\n"
      "  page_reuse(P) -> ok\n  blame caller\n";
  EXPECT_EQ(run(attached + right, true).status, Status::failed);
}

// It was blamed on the driver, as a conflict of translations.
TEST(ScenarioRunner, TheDriverIsNotBlamedForWhatTheCallerBreaks) {
  const std::string over =
      "  map(d, 0x1000, P, 0x1000, rw) -> ok\n  unmap_fast(d, 0x1000, 0x1000) -> 0x1000\n"
      "  map(d, 0x1000, P, 0x1000, r) -> ok\n";
  for (const bool builtin : {false, true}) {
    EXPECT_EQ(run(attached + over + "  blame caller\n", builtin).status, Status::passed);
    EXPECT_EQ(run(attached + over + "  blame none\n", builtin).status, Status::failed);
    EXPECT_EQ(run(attached + over + "  blame driver\n", builtin).status, Status::failed);
  }
}

TEST(ScenarioRunner, ARaceInWhichOneWaitsForTheOther) {
  const std::string dying =
      "  dev D0 iopf=stall\n  proc X\n  d = domain_alloc(paging) -> new\n  attach(d, D0) -> ok\n"
      "  sva_device_init(D0, [iopf], 1, 0, mm_exit) -> ok\n  bind_device(D0, X, [], 1) -> 1\n"
      "  race exit(X) unbind_device(D0, 1) -> either\n";
  for (const bool builtin : {false, true}) {
    const ScenarioResult result = run(dying, builtin);
    EXPECT_EQ(result.status, Status::passed) << text_of({}, result);
    EXPECT_EQ(result.runs, 2U);
  }
}

TEST(ScenarioRunner, AThreadHasTheAddressSpaceOfItsProcess) {
  const std::string threads =
      "  dev D0 iopf=stall\n  proc X\n  page P\n  d = domain_alloc(paging) -> new\n"
      "  attach(d, D0) -> ok\n  sva_device_init(D0, [iopf], 1, 0, null) -> ok\n"
      "  t = thread(X) -> new\n  u = thread(t) -> new\n  mmap t 0x400000 P rw\n"
      "  bind_device(D0, t, [], 1) -> 1\n  bind_device(D0, X, [], 2) -> 1\n"
      "  ? D0.1 0x400000 w -> P\n  thread_end(u) -> ok\n  thread_end(X) -> ok\n"
      "  ? D0.1 0x400000 w -> P\n  thread_end(t) -> ok\n  ? D0.1 0x400000 w -> F.quiet\n";
  for (const bool builtin : {false, true}) {
    const ScenarioResult result = run(threads, builtin);
    EXPECT_EQ(result.status, Status::passed) << text_of({}, result);
  }
}

TEST(ScenarioRunner, ArgumentsThatStandForNothing) {
  const std::string steps =
      "  dev D0 iopf=stall\n  d = domain_alloc(paging) -> new\n  attach(d, D0) -> ok\n"
      "  sva_device_init(D0, [iopf], 1, 0, 0) -> ok\n"
      "  bind_device(D0, NULL, [], 1) -> EINVAL | ESRCH\n  unbind_device(D0, none) -> EINVAL\n"
      "  sva_drvdata(D0, none) -> ENOENT\n  domain_get_attr(d, 77) -> EINVAL\n"
      "  ? D0.none 0x1000 r -> F.unmapped\n";
  for (const bool builtin : {false, true}) {
    const ScenarioResult result = run(steps, builtin);
    EXPECT_EQ(result.status, Status::passed) << text_of({}, result);
  }
  EXPECT_EQ(run("  d = domain_alloc(99) -> EINVAL\n", true).status, Status::passed);
  EXPECT_EQ(run("  d = domain_alloc(paging) -> E2BIG\n", true).status, Status::failed);
}

// The queue stays stuck over several calls; each that needs a command says so.
TEST(ScenarioRunner, AQueueThatStaysStuck) {
  const std::string steps =
      "  dev D0 iopf=stall\n  proc X\n  d = domain_alloc(paging) -> new\n"
      "  e = domain_alloc(paging) -> new\n  attach(d, D0) -> ok\n"
      "  sva_device_init(D0, [iopf], 1, 0, mm_exit) -> ok\n  bind_device(D0, X, [], 1) -> 1\n"
      "  stuck\n  unbind_device(D0, 1) -> ETIMEDOUT\n  bind_device(D0, X, [], 1) -> ETIMEDOUT\n"
      "  attach(e, D0) -> ETIMEDOUT\n  attach(e, D0) -> ETIMEDOUT\n  recover -> ETIMEDOUT\n"
      "  unstuck\n  recover -> ok\n  ? D0.1 0x1000 r -> F.pasid\n";
  for (const bool builtin : {false, true}) {
    const ScenarioResult result = run(steps, builtin);
    EXPECT_EQ(result.status, Status::passed) << text_of({}, result);
  }
}

// It sticks at the n-th CMD_SYNC, and at no other; who sends none cannot know which call that is.
TEST(ScenarioRunner, AQueueThatSticksInsideACall) {
  const std::string begin =
      "  dev D0\n  page P Q\n  d = domain_alloc(paging) -> new\n  attach(d, D0) -> ok\n"
      "  map(d, 0x1000, P, 0x1000, r) -> ok\n  map(d, 0x2000, Q, 0x1000, r) -> ok\n";
  const auto unmaps = [&](const std::string& after, const char* first, const char* second) {
    return begin + "  stuck after " + after + "\n  unmap(d, 0x1000, 0x1000) -> " + first +
           "\n  unmap(d, 0x2000, 0x1000) -> " + second + "\n  unstuck\n  recover -> ok\n";
  };
  EXPECT_EQ(run(unmaps("1", "ETIMEDOUT", "ETIMEDOUT"), true).status, Status::passed);
  EXPECT_EQ(run(unmaps("2", "0x1000", "ETIMEDOUT"), true).status, Status::passed);
  EXPECT_EQ(run(unmaps("3", "0x1000", "0x1000"), true).status, Status::passed);
  EXPECT_EQ(run(unmaps("2", "ETIMEDOUT", "ETIMEDOUT"), true).status, Status::failed);
  EXPECT_EQ(run(unmaps("3", "0x1000", "ETIMEDOUT"), true).status, Status::failed);
  EXPECT_EQ(run(unmaps("2", "0x1000", "ETIMEDOUT"), false).status, Status::passed);
  const ScenarioResult on_spec = run(begin + "  stuck after 1\n  remove(D0) -> any\n", false);
  EXPECT_EQ(on_spec.status, Status::needs);
  EXPECT_EQ(on_spec.needs, std::vector<std::string>{"stuck after"});
}

TEST(ScenarioRunner, WhatIsNotBuiltIsNamedAndNeitherPassedNorFailed) {
  const ScenarioResult result =
      run("  world iova_bits=60\n  dev D0\n  d = domain_alloc(paging) -> new\n", true);
  EXPECT_EQ(result.status, Status::needs);
  EXPECT_EQ(result.needs, std::vector<std::string>{"iova_bits=60"});
}

TEST(ScenarioRunner, ARaceIsRunInBothOrders) {
  const ScenarioResult result = run(
      "  dev D0 iopf=stall\n  proc X\n  d = domain_alloc(paging) -> new\n  attach(d, D0) -> ok\n"
      "  sva_device_init(D0, [iopf], 1, 0, null) -> ok\n  bind_device(D0, X, [], 1) -> 1\n"
      "  race unbind_device(D0, 1) bind_device(D0, X, [], 2) -> either\n"
      "  sva_drvdata(D0, 1) -> 0x2\n");
  // Unbinding first gives a new bond at the next number; binding first keeps the first one.
  EXPECT_EQ(result.status, Status::failed);
  EXPECT_EQ(result.runs, 1U);
  EXPECT_EQ(run("  race pasid_alloc(1, 1) pasid_alloc(2, 2) -> either\n").runs, 2U);
}

TEST(ScenarioRunner, NotEveryOrderTriedIsNoVerdict) {
  const auto races = [](unsigned count) {
    std::string text;
    for (unsigned i = 0; i < count; ++i) {
      text += "  race pasid_alloc(1, 1) pasid_alloc(2, 2) -> either\n  pasid_free(1) -> ok\n";
      text += "  pasid_free(2) -> ok\n";
    }
    return text;
  };
  const ScenarioResult all = run(races(7));
  EXPECT_EQ(all.status, Status::passed);
  EXPECT_EQ(all.runs, 128U);
  const ScenarioResult some = run(races(11));
  EXPECT_EQ(some.status, Status::undecided);
  EXPECT_NE(some.bound.find("11 races"), std::string::npos) << some.bound;
  EXPECT_EQ(run(races(11) + "  pasid_free(1) -> ok\n").status, Status::failed);
}

TEST(ScenarioRunner, NothingAskedIsNoVerdict) {
  for (const bool builtin : {false, true}) {
    EXPECT_EQ(run("", builtin).status, Status::undecided);
    EXPECT_EQ(run("  dev D0\n  page P\n  proc X\n", builtin).status, Status::undecided);
    EXPECT_EQ(run("  dev D0\n  ? D0 0x1000 r -> F.dev\n", builtin).status, Status::passed);
  }
}

TEST(ScenarioRunner, ACallThatBlocksWhereNobodyExpectsIt) {
  const std::string dying =
      "  dev D0 iopf=stall\n  proc X\n  d = domain_alloc(paging) -> new\n  attach(d, D0) -> ok\n"
      "  sva_device_init(D0, [iopf], 1, 0, mm_exit) -> ok\n  bind_device(D0, X, [], 1) -> 1\n";
  for (const bool builtin : {false, true}) {
    const ScenarioResult result = run(dying + "  exit(X) -> ok\n", builtin);
    ASSERT_EQ(result.status, Status::failed);
    EXPECT_EQ(result.failure->observed, "blocked");
  }
}

/// A number of a scenario's is one group's as long as that one lives.
TEST(ScenarioRunner, AGroupThatWaitsKeepsItsName) {
  const std::string two =
      "  dev D0 iopf=stall\n  proc X\n  d = domain_alloc(paging) -> new\n  attach(d, D0) -> ok\n"
      "  sva_device_init(D0, [iopf], 1, 0, mm_exit) -> ok\n  q = fault_queue_open(D0, 8) -> new\n"
      "  bind_device(D0, X, [], 1) -> 1\n"
      "  dma D0.1 0x1000 w g=1 last=1 -> F.wait\n  dma D0.1 0x2000 w g=2 last=1 -> F.wait\n"
      "  fault_read(q) -> fault(D0, 1, 0x1000, w, 1)\n";
  const std::string ended = "  unbind_device(D0, 1) -> ok\n  bind_device(D0, X, [], 1) -> 2\n";
  for (const bool builtin : {false, true}) {
    const auto status = [&](const std::string& steps) { return run(two + steps, builtin).status; };
    EXPECT_EQ(status("  fault_read(q) -> fault(D0, 1, 0x2000, w, 2)\n"), Status::passed);
    EXPECT_EQ(status("  fault_read(q) -> fault(D0, 1, 0x2000, w, 1)\n"), Status::failed);
    const std::string again = "  dma D0.2 0x1000 w g=1 last=1 -> F.wait\n";
    EXPECT_EQ(status(ended + again + "  fault_read(q) -> fault(D0, 2, 0x1000, w, 1)\n"),
              Status::passed);
  }
}

/// Nothing is at a PASID of a blocked RID; of another RID that is not the same.
TEST(ScenarioRunner, WhatEndsAtAPasidOfABlockedRidHasTwoNames) {
  for (const bool builtin : {false, true}) {
    for (const char* fault : {"F.dev", "F.pasid"}) {
      const std::string probe = std::string("  ? D0.2 0x1000 r -> ") + fault + "\n";
      EXPECT_EQ(run("  dev D0\n" + probe, builtin).status, Status::passed);
      EXPECT_EQ(run(attached + probe, builtin).status,
                fault == std::string("F.pasid") ? Status::passed : Status::failed);
    }
    EXPECT_EQ(run("  dev D0\n  ? D0 0x1000 r -> F.pasid\n", builtin).status, Status::failed);
    EXPECT_EQ(run("  dev D0\n  ? D0.2 0x1000 r -> F.quiet\n", builtin).status, Status::failed);
  }
}

}  // namespace
}  // namespace iommucheck::oracle::stories::run_test
