// SPDX-License-Identifier: MIT
// The example of a backend, an IOMMU like RISC-V's: it holds, whatever of it is left out, and each
// of its twins is found by `check --backend`, with the cause in its model's words.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "report/finding_kind_text.h"
#include "scenario/format/parser.h"
#include "scenario/run/alone.h"
#include "tests/backends/checked_support.h"
#include "tests/cases.h"
#include "tests/places.h"
#include "tests/scenario/files_support.h"

namespace iommucheck::oracle::riscv_test {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

const std::string example = test::in_build("examples/riscv_backend");

constexpr const char* way = "; a route or an entry that memory no longer says is still cached";
constexpr const char* translation = "; a translation that memory no longer says is still cached";
constexpr const char* other_space = "; a translation of another space with the same tag";
constexpr const char* outer =
    "; a translation of the outer space that memory no longer says is still cached";
constexpr const char* device = "; the device has cached it, and has not dropped it";

TEST(RiscvBackend, Holds) {
  for (const u64 seed : {1U, 5U}) {
    test::expect_held(test::checked_backend(example + ".so", seed, test::cases(150, 2048)),
                      "the example");
  }
}

TEST(RiscvBackend, HoldsWithLessOfIt) {
  for (const char* name : {"without_waits", "without_groups", "without_holes", "without_identity",
                           "without_users", "without_users_devices", "without_marks", "combines"}) {
    test::expect_held(test::checked_backend(example + "_" + name + ".so", 5, test::cases(40, 2048)),
                      name);
  }
}

TEST(RiscvBackend, ItsTwinsAreFoundWithTheirCause) {
  const std::vector<std::pair<const char*, ::testing::Matcher<std::string>>> twins = {
      {"forgets_to_prepare", AnyOf(HasSubstr(way), HasSubstr(translation), HasSubstr(other_space))},
      {"forgets_maps", AnyOf(HasSubstr(translation), HasSubstr(way))},
      {"forgets_unmaps", AnyOf(HasSubstr(translation), HasSubstr(device))},
      {"forgets_entries", HasSubstr(way)},
      {"forgets_routes", HasSubstr(way)},
      {"blinks", HasSubstr("promised")},
      {"forgets_devices", HasSubstr(device)},
      {"forgets_streams", HasSubstr(device)},
      {"forgets_the_fence", AnyOf(HasSubstr(way), HasSubstr(translation), HasSubstr(device))},
      {"leaves_pointers", AnyOf(HasSubstr(translation), HasSubstr("table"), HasSubstr("page"))},
      {"shares_tags", AnyOf(HasSubstr(other_space), HasSubstr(translation), HasSubstr("table"))},
      {"frees_tables_early", AnyOf(HasSubstr(translation), HasSubstr("table"), HasSubstr("page"))},
      {"forgets_to_respond", HasSubstr("waits")},
      {"ignores_high_pasids", AnyOf(HasSubstr("promised"), HasSubstr("table"))},
      {"ignores_privileged", HasSubstr("promised")},
      {"ignores_last", HasSubstr("fault")},
      {"ignores_failure", HasSubstr("failure")},
      // `+ 2`: perhaps by what was written unmarked.
      {"forgets_outer_unmaps",
       AnyOf(HasSubstr(outer + 2), HasSubstr(translation), HasSubstr("table"))},
      {"keeps_the_users_gscid", AnyOf(HasSubstr(translation), HasSubstr(outer))},
      {"ignores_the_second_stage", HasSubstr("")},
      {"passes_anything_on", HasSubstr("cache_invalidate")},
      {"forgets_combined", HasSubstr(outer + 2)},
      {"drops_combined_at_once", HasSubstr("")},
      {"tells_the_second_stage", HasSubstr("event_read")},
  };
  for (const auto& [name, cause] : test::part_in_this_run(twins, 3)) {
    const CheckResult result = test::checked_backend(example + "_" + name + ".so", 1, 2048);
    ASSERT_EQ(result.findings.size(), 1U) << name;
    EXPECT_THAT(text_of(result.findings.front().kind), cause) << name;
    EXPECT_EQ(result.findings.front().party, spec::Keeper::backend) << name;
  }
}

/// Stories of users run on it, and tell what random sequences seldom do.
TEST(RiscvBackend, StoriesFindTheTwinsOfItsSecondStageAndOfItsMarks) {
  const std::pair<const char*, const char*> twins[] = {
      {"", ""},
      {"_forgets_outer_unmaps", "NST-21"},
      {"_keeps_the_users_gscid", "NST-23"},
      {"_ignores_the_second_stage", "NST-21"},
      {"_passes_anything_on", "NST-23"},
      {"_leaves_the_users", "NST-30"},
      {"_forgets_users_entries", "NST-26"},
      {"_forgets_cleared", "DRT-01"},
      {"_maps_untracked", "DRT-08"},
      {"_tells_nothing", "NST-41"},
      {"_tells_the_hosts_number", "NST-41"},
  };
  for (const auto& [name, finds] : twins) {
    const std::string path = example + name + ".so";
    stories::AloneOptions options;
    options.subjects = [path] { return stories::subjects_of_backend(path); };
    unsigned passed = 0;
    for (const scenario::Scenario& scenario : test::all_scenarios()) {
      const bool of_these = scenario.id.starts_with("NST-") || scenario.id.starts_with("DRT-");
      if (!of_these || (*name != 0 && scenario.id != finds)) continue;
      const auto result = stories::run_alone(scenario, options);
      ASSERT_TRUE(result) << result.error().message;
      using Status = stories::ScenarioResult::Status;
      EXPECT_NE(result->status, Status::undecided) << scenario.id;
      EXPECT_EQ(result->status == Status::failed, scenario.id == finds) << name << scenario.id;
      passed += result->status == Status::passed ? 1 : 0;
    }
    if (*name == 0) {
      EXPECT_GE(passed, 20U);
    }
  }
}

/// Where users have no command about a device, which is EIO then, no story has one done.
TEST(RiscvBackend, StoriesAskForNoCommandThatUsersHaveNot) {
  stories::AloneOptions options;
  options.subjects = [] {
    return stories::subjects_of_backend(example + "_without_users_devices.so");
  };
  unsigned asked = 0;
  for (const scenario::Scenario& scenario : test::all_scenarios()) {
    const bool names_device = scenario.id == "NST-92";
    if (!names_device && scenario.id != "NST-23" && scenario.id != "CRS-74") continue;
    const auto result = stories::run_alone(scenario, options);
    ASSERT_TRUE(result) << result.error().message;
    EXPECT_NE(result->status, stories::ScenarioResult::Status::failed) << scenario.id;
    EXPECT_EQ(std::ranges::count(result->needs, "atc"), names_device ? 1 : 0) << scenario.id;
    ++asked;
  }
  EXPECT_GE(asked, 2U);
}

}  // namespace
}  // namespace iommucheck::oracle::riscv_test
