// SPDX-License-Identifier: MIT
// The C door for backends: the example holds, each of its twins breaks a rule of its own, and what
// is wrong at the door itself is said in words, by whom it concerns.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "backends/named.h"
#include "check/check.h"
#include "scenario/format/parser.h"
#include "scenario/run/alone.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "tests/backends/checked_support.h"
#include "tests/cases.h"
#include "tests/places.h"
#include "tests/scenario/files_support.h"

namespace iommucheck::oracle::stories::door_test {
namespace {

using spec::Rule;

namespace rule = spec::rule;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using Status = ScenarioResult::Status;

const std::string examples = test::in_build("test-plugins/small_backend");
/// A sanitizer makes an exit of a signal.
constexpr const char* crash_of_sanitized = "ended the process with exit status";
const std::string plugins = test::in_build("test-plugins/backend_");

AloneOptions on(const std::string& path, double hang_seconds = 60) {
  AloneOptions options;
  options.subjects = [path] { return subjects_of_backend(path); };
  options.hang_seconds = hang_seconds;
  return options;
}

/// Of a third of all, each in a process of its own; `scenario --backend` runs them all.
TEST(BackendDoor, TheExampleHoldsScenariosThatMayRunThere) {
  unsigned passed = 0;
  unsigned number = 0;
  for (const scenario::Scenario& scenario : test::all_scenarios()) {
    if (number++ % 3 != 0 && !scenario.id.starts_with("SEC-")) continue;
    const auto result = run_alone(scenario, on(examples + ".so"));
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_NE(result->status, Status::undecided) << scenario.id;
    EXPECT_NE(result->status, Status::failed)
        << scenario.id << ": " << result->failure->step << ", " << result->failure->observed;
    passed += result->status == Status::passed ? 1 : 0;
  }
  EXPECT_GE(passed, 65U);
}

/// Each flag off, each on, and all of them off: what is not there is a need, and nothing else is
/// other.
TEST(BackendDoor, TheExampleHoldsWithAndWithoutEachFlag) {
  struct Other {
    const char* name;
    bool waits;
    const char* need;  ///< one of those that scenarios have there
    unsigned every;    ///< of how many scenarios one is run
    unsigned passed;
  };
  constexpr Other others[] = {{"without_waits", false, "iopf=stall", 3, 30},
                              {"without_holes", true, "backend=two", 3, 60},
                              {"keeps_pasid_0", true, "backend=two", 3, 60},
                              {"without_identity", true, "backend=two", 3, 60},
                              {"stores_slowly", true, "page request groups", 3, 60},
                              {"without_flags", false, "iopf=pri", 1, 95}};
  for (const auto& [name, waits, need, every, least] : others) {
    const std::string path = examples + "_" + name + ".so";
    unsigned passed = 0;
    unsigned number = 0;
    std::set<std::string> needed;
    for (const scenario::Scenario& scenario : test::all_scenarios()) {
      if (number++ % (test::cases(3, 1) * every) != 0 && !scenario.id.starts_with("SEC-")) continue;
      const auto result = run_alone(scenario, on(path));
      ASSERT_TRUE(result) << result.error().message;
      EXPECT_NE(result->status, Status::failed)
          << name << " " << scenario.id << ": " << result->failure->step << ", "
          << result->failure->observed;
      passed += result->status == Status::passed ? 1 : 0;
      needed.insert(result->needs.begin(), result->needs.end());
    }
    EXPECT_GE(passed, test::cases(least / 3, least)) << name;
    EXPECT_TRUE(needed.contains(need)) << name;
    const auto probed = probe_backend(path, 60);
    ASSERT_TRUE(probed) << probed.error().message;
    EXPECT_EQ(probed->stalls, waits) << name;
    test::expect_held(test::checked_backend(path, 5, test::cases(100, 2048)), name);
  }
}

TEST(BackendDoor, TheExampleHoldsOnRandomSequences) {
  for (const u64 seed : {1U, 2U, 3U}) {
    test::expect_held(test::checked_backend(examples + ".so", seed, test::cases(150, 2048)),
                      "the example");
  }
}

/// What hardware has no more of it need not give, and nobody is accused of that.
TEST(BackendDoor, TheExampleHoldsWithNarrowerHardware) {
  for (const char* name : {"without_pasids", "of_four_pasid_bits", "of_32_bits"}) {
    test::expect_held(
        test::checked_backend(examples + "_" + name + ".so", 3, test::cases(150, 2048)), name);
  }
}

TEST(BackendDoor, RandomSequencesFindEachTwinOfTheExample) {
  const std::pair<const char*, std::vector<Rule>> twins[] = {
      {"forgets_maps", {rule::PROMISE_OUTCOME}},
      {"forgets_unmaps", {rule::PROMISE_OUTCOME}},
      {"forgets_entries", {rule::PROMISE_OUTCOME}},
      {"forgets_entries_last", {rule::PROMISE_OUTCOME, rule::PROMISE_TRANSIENT, rule::TABLE_FREE}},
      {"forgets_routes", {rule::PROMISE_OUTCOME}},
      {"forgets_devices", {rule::PROMISE_OUTCOME}},
      {"forgets_to_wait", {rule::PROMISE_OUTCOME}},
      {"forgets_to_respond", {rule::FAULT_ENDED, rule::FAULT_ANSWERED, rule::FAULT_REFUSED}},
      {"frees_tables_early", {rule::TABLE_FREE}},
      {"forgets_streams", {rule::PROMISE_OUTCOME}},
      {"forgets_tags", {rule::PROMISE_OUTCOME, rule::TABLE_FREE}},
      {"forgets_high_pasids", {rule::PROMISE_OUTCOME, rule::TABLE_FREE}},
      {"forgets_privileged", {rule::PROMISE_OUTCOME, rule::PROMISE_TRANSIENT}},
      {"executes", {rule::PROMISE_OUTCOME, rule::PROMISE_TRANSIENT}},
  };
  constexpr u64 runs_max = 2048;
  for (const auto& [name, rules] : twins) {
    const CheckResult result = test::checked_backend(examples + "_" + name + ".so", 1, runs_max);
    ASSERT_EQ(result.findings.size(), 1U) << name;
    EXPECT_TRUE(std::ranges::find(rules, result.findings.front().rule) != rules.end())
        << name << ": " << spec::rule_name(result.findings.front().rule);
    EXPECT_EQ(result.findings.front().party, spec::Keeper::backend) << name;
  }
}

/// Refused before anything is run, in a process that is then gone.
TEST(BackendDoor, WhatIsWrongWithTheObjectIsSaid) {
  const std::pair<const char*, const char*> objects[] = {
      {"null", "its iommucheck_backend is NULL"},
      {"abi", "its iommucheck_backend has abi 7, this program has 1"},
      {"size", "its iommucheck_backend_ops has size 64, which cannot be (at least 248"},
      {"flags", "have bits that this program does not know"},
      {"name", "its backend has no name"},
      {"no_hardware", "its iommucheck_hardware_ops is NULL"},
      {"function", "the hardware has no given_back; every one needs it"},
      {"waits",
       "the backend has no read_fault; every one needs it that says "
       "IOMMUCHECK_BACKEND_WAITS"},
      {"users",
       "the backend has no open_outer; every one needs it that says "
       "IOMMUCHECK_BACKEND_USERS"},
      {"marks",
       "the backend has no track; every one needs it that says "
       "IOMMUCHECK_BACKEND_TRACKS_WRITES"},
      {"tells_alone", "it says IOMMUCHECK_BACKEND_TELLS_USERS and not IOMMUCHECK_BACKEND_USERS"},
      {"entry", "exports no function iommucheck_backend_entry"},
      {"crash_on_load", "while it was loaded, its process crashed with SIGSEGV"},
      {"is_not_there", "No such file"},
  };
  for (const auto& [name, text] : objects) {
    const auto probed = probe_backend(plugins + name + ".so", 10);
    ASSERT_FALSE(probed) << name;
    EXPECT_EQ(probed.error().code, ErrorCode::bad_input) << name;
    EXPECT_THAT(probed.error().message, AnyOf(HasSubstr(text), HasSubstr(crash_of_sanitized)))
        << name;
  }
  EXPECT_TRUE(probe_backend(examples + ".so", 10));
  EXPECT_TRUE(probe_backend("two", 10));
}

TEST(BackendDoor, AnswersThatCannotBeAreFindingsAndNeverTrusted) {
  const auto file = scenario::parse(
      "@ BAD door what a bad plug-in is asked\n"
      "  dev D0\n"
      "  page P\n"
      "  d = domain_alloc(paging) -> any\n"
      "  attach(d, D0) -> any\n"
      "  map(d, 0x1000, P, 0x1000, rw) -> any\n"
      "  unmap(d, 0x1000, 0x1000) -> any\n"
      "  g = domain_alloc(dynamic, d) -> any\n");
  ASSERT_TRUE(file) << file.error().message;
  const scenario::Scenario& scenario = file->scenarios.at(0);
  const auto good = run_alone(scenario, on(examples + ".so"));
  ASSERT_TRUE(good && good->status == Status::passed);
  const std::tuple<const char*, Rule, const char*> all[] = {
      {"kind", rule::CRASH_NEVER, "gave an answer of kind 99"},
      {"too_many", rule::CRASH_NEVER, "answers: it gives 1 to 64"},
      {"none", rule::CRASH_NEVER, "gave 0 answers"},
      {"why", rule::CRASH_NEVER, "gave a why at 0x8, where no text is"},
      {"unmap", rule::CRASH_NEVER, "unmap of 0x1000 bytes did 0x3000"},
      {"map", rule::CRASH_NEVER, "map of 0x1000 bytes answered 0 and did 0x2000"},
      {"map_number", rule::CRASH_NEVER,
       "map answered -77: it may answer 0, EEXIST, ENOMEM, ETIMEDOUT"},
      {"foreign", rule::CRASH_NEVER, "a foreign space whose table_pa is 0"},
      {"flush", rule::CRASH_NEVER, "flush answered 77"},
      {"crash", rule::CRASH_NEVER, "crashed with SIGSEGV"},
      {"hang", rule::HANG_RETURNS, "made no progress"},
  };
  for (const auto& [name, rule, text] : all) {
    const auto result = run_alone(scenario, on(plugins + name + ".so", 2));
    ASSERT_TRUE(result) << name << ": " << result.error().message;
    ASSERT_TRUE(result->failure) << name;
    EXPECT_EQ(result->failure->rule, rule) << name;
    std::string evidence;
    for (const std::string& line : result->failure->evidence) evidence += line + "\n";
    EXPECT_THAT(evidence, AnyOf(HasSubstr(text), HasSubstr(crash_of_sanitized))) << name;
  }
  // One that does not come up.
  for (const auto& [name, text] :
       {std::pair{"open", "the backend's open gave NULL"}, std::pair{"info", "page_sizes 0x3"},
        std::pair{"begin_reset", "begin_reset answered 77"}}) {
    const auto result = run_alone(scenario, on(plugins + name + ".so", 10));
    ASSERT_TRUE(result && result->failure) << name;
    EXPECT_EQ(result->failure->step, "(boot)") << name;
    EXPECT_THAT(result->failure->observed, HasSubstr(text)) << name;
  }
}

}  // namespace
}  // namespace iommucheck::oracle::stories::door_test
