// SPDX-License-Identifier: MIT
// Each rule that an SMMU has to keep is broken by a device of tests/device_twins, whose mistake is
// found by that rule (DeviceTwinFound), in a case in which the same device without a mistake is
// asked of the rule so that breaking it would have shown. What has none has its reason here, and
// nothing else has.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "spec/rules.h"
#include "tests/conform/device_twins_support.h"
#include "tests/conform/run_options.h"
#include "tests/conform/words.h"

namespace iommucheck::oracle::hardware_rules_test {
namespace {

/// Rules of which no device is accused, and why.
const std::map<std::string, std::string> of_no_twin = {
    {"CMD_ORDER", "what is done in another order shows in what is left: TLBI_TAGS, CFGI_SCOPE"},
};

bool is_of_hardware(const spec::RuleInfo& info) {
  return info.keeper == spec::Keeper::smmu || info.keeper == spec::Keeper::device;
}

/// The first twin of each rule.
std::map<std::string, DeviceTwin> twin_of_rule() {
  std::map<std::string, DeviceTwin> first;
  for (const DeviceTwin& twin : listed_twins()) {
    if (!twin.rule.empty()) first.emplace(twin.rule, twin);
  }
  return first;
}

TEST(HardwareRules, EachHasATwinOrAReason) {
  const auto twins = twin_of_rule();
  for (const spec::RuleInfo& info : spec::all_rules()) {
    const std::string name(info.name);
    if (!is_of_hardware(info)) {
      EXPECT_FALSE(twins.contains(name)) << name << " is no rule of hardware";
      continue;
    }
    EXPECT_NE(twins.contains(name), of_no_twin.contains(name))
        << name << ": a device of tests/device_twins/*.mutants has to break it, by found.list";
  }
  for (const auto& [rule, why] : of_no_twin) EXPECT_TRUE(spec::find_rule(rule)) << rule;
}

class HardwareRule : public testing::TestWithParam<unsigned> {};
constexpr unsigned parts = 4;

/// A case that tells nothing of a right device would find its twin by chance.
TEST_P(HardwareRule, IsAskedOfARightDeviceWhereItsTwinIsFound) {
  unsigned number = 0;
  for (const auto& [rule, twin] : twin_of_rule()) {
    if (number++ % parts != GetParam()) continue;
    MistakenMachine machine("", twin.seed);
    const auto result = machine.run(options_of(twin.seed, 0, twin.only));
    ASSERT_TRUE(result) << rule << ": " << result.error().message;
    EXPECT_TRUE(result->held()) << rule << "\n" << words(*result);
    const auto its = std::ranges::find_if(
        result->rules, [&](const RuleCount& count) { return spec::rule_name(count.rule) == rule; });
    ASSERT_NE(its, result->rules.end()) << rule;
    EXPECT_NE(its->discriminating, 0U) << rule << ": " << twin.only;
  }
}

INSTANTIATE_TEST_SUITE_P(All, HardwareRule, testing::Range(0U, parts));

}  // namespace
}  // namespace iommucheck::oracle::hardware_rules_test
