// SPDX-License-Identifier: MIT
#include "spec/rules.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "spec/rules/translation.h"

namespace iommucheck::spec::rules_test {
namespace {

TEST(Rules, NamesAreFoundAgainAndUnknownOnesAreNot) {
  std::set<std::string_view> names;
  for (const RuleInfo& info : all_rules()) {
    EXPECT_EQ(find_rule(info.name), info.rule) << info.name;
    EXPECT_EQ(&rule_info(info.rule), &info);
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
  }
  EXPECT_FALSE(find_rule("NO_SUCH_RULE"));
  EXPECT_FALSE(find_rule(""));
}

TEST(Rules, EachEntryIsComplete) {
  for (const RuleInfo& info : all_rules()) {
    EXPECT_FALSE(info.section.empty()) << info.name;
    ASSERT_FALSE(info.text.empty()) << info.name;
    EXPECT_EQ(info.text.back(), '.') << info.name;
    EXPECT_NE(family_name(info.family), "?") << info.name;
    EXPECT_EQ(find_family(family_name(info.family)), info.family);
  }
}

TEST(Rules, LitmusFamiliesHaveTheNamesOfTheFormat) {
  for (const char* name : {"page-reuse", "table-free", "conflict", "tag", "promise", "lost-update",
                           "wild", "unknown"}) {
    const auto family = find_family(name);
    ASSERT_TRUE(family) << name;
    bool used = false;
    for (const RuleInfo& info : all_rules()) used |= info.family == *family;
    EXPECT_TRUE(used) << "no rule in family " << name;
  }
  EXPECT_FALSE(find_family("page_reuse"));
}

TEST(Rules, KeepersArePrinted) {
  EXPECT_EQ(keeper_name(Keeper::driver), "driver");
  EXPECT_EQ(keeper_name(Keeper::user), "user");
  EXPECT_EQ(keeper_name(Keeper::backend), "backend");
  EXPECT_EQ(rule_info(rule::S1_VA_IN_RANGE).keeper, Keeper::smmu);
}

}  // namespace
}  // namespace iommucheck::spec::rules_test
