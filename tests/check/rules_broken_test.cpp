// SPDX-License-Identifier: MIT
// Each rule that is not of hardware is broken by somebody, and found: by a driver of the museum, or
// by what a test does. Rules of hardware: tests/conform/hardware_rules_test.cpp. That drivers are
// asked of their rules where breaking them would show: rules_exercised_test.cpp.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <string>

#include "spec/rules.h"
#include "tests/places.h"
#include "trace/json_value.h"

namespace iommucheck::test::rules_broken_test {
namespace {

/// What no driver of the museum breaks, and the file of the test that finds it broken.
const std::map<std::string, std::string> by_tests = {
    {"CONFIG_MIXTURE", "tests/monitor/recording_edits_test.cpp"},
    {"CONFIG_STALE_ACCESS", "tests/monitor/recording_edits_test.cpp"},
    {"TRANSLATION_STALE_ACCESS", "tests/monitor/recording_edits_test.cpp"},
    {"QUEUE_PROD_BACK", "tests/spec/smmu_command_queue_test.cpp"},
    {"REGISTER_ACK", "tests/spec/smmu_protocol_test.cpp"},
    {"REGISTER_GBPA_UPDATE", "tests/spec/smmu_protocol_test.cpp"},
    {"REGISTER_PAGE0_ALIAS", "tests/check/errata_test.cpp"},
    {"STATE_RETURNS", "tests/check/check_worker_test.cpp"},
    {"PASID_CYCLIC", "tests/spec/sva_bind_test.cpp"},
    {"EXIT_WAITS", "tests/spec/sva_exit_test.cpp"},
    // Of callers.
    {"HANDLER_BOUND", "tests/scenario/duties_test.cpp"},
    {"DOMAIN_IN_USE", "tests/scenario/duties_test.cpp"},
    {"RANGE_UNSYNCED", "tests/spec/sva_duties_test.cpp"},
    {"PAGE_IN_FLIGHT", "tests/spec/sva_duties_test.cpp"},
    {"DMA_AFTER_DONE", "tests/spec/sva_duties_test.cpp"},
    {"FREED_OBJECT", "tests/spec/sva_duties_test.cpp"},
    {"WALKER_UNFLUSHED", "tests/spec/sva_walkers_test.cpp"},
    {"WALKER_REACHES", "tests/spec/sva_walkers_test.cpp"},
};

std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::set<std::string> broken_in_the_museum() {
  std::set<std::string> rules;
  for (const auto& entry : std::filesystem::directory_iterator(in_tree("tests/museum"))) {
    if (entry.path().extension() != ".json") continue;
    const auto json = trace::parse_json(text_of(entry.path()));
    const trace::JsonMember* breaks = json ? json->find("breaks") : nullptr;
    if (breaks == nullptr) continue;
    for (const trace::JsonValue& rule : breaks->value.items) rules.insert(rule.text);
    if (!breaks->value.text.empty()) rules.insert(breaks->value.text);
  }
  return rules;
}

TEST(RulesBroken, EachIsFoundInTheMuseumOrByATest) {
  const std::set<std::string> museum = broken_in_the_museum();
  EXPECT_GE(museum.size(), 20U);
  for (const spec::RuleInfo& info : spec::all_rules()) {
    if (info.keeper == spec::Keeper::smmu || info.keeper == spec::Keeper::device) continue;
    const std::string rule(info.name);
    const auto test = by_tests.find(rule);
    EXPECT_NE(museum.contains(rule), test != by_tests.end())
        << rule
        << ": a driver of the museum breaks it, or a test that is listed here, and not both";
    if (test == by_tests.end()) continue;
    EXPECT_TRUE(text_of(in_tree(test->second)).contains(rule)) << test->second << ": " << rule;
  }
  for (const auto& [rule, file] : by_tests) EXPECT_TRUE(spec::find_rule(rule)) << rule;
}

}  // namespace
}  // namespace iommucheck::test::rules_broken_test
