// SPDX-License-Identifier: MIT
// docs/rules.md has the catalogue between markers. After a change of spec/rules/*.def,
// `./dev generate` writes it anew.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <regex>
#include <string>
#include <vector>

#include "spec/rules.h"
#include "tests/document.h"
#include "tests/places.h"

namespace iommucheck::spec::rules_document_test {
namespace {

/// "IHI 0070" goes without saying, and so does what smmuv3.md has of a section that is named.
std::string sections(const RuleInfo& rule) {
  static const std::regex left_out("IHI 0070 |; arch [^;]*");
  return std::regex_replace(std::string(rule.section), left_out, "");
}

std::string line(const RuleInfo& rule, bool with_keeper) {
  std::string text = fmt::format("- `{}`", rule.name);
  if (with_keeper) text += fmt::format(" ({})", keeper_name(rule.keeper));
  text += fmt::format(": {}", rule.text);
  if (const auto why = not_modelled(rule.rule); !why.empty()) {
    text += fmt::format(" *Not modelled: {}.*", why);
  }
  return text + fmt::format(" [{}]\n", sections(rule));
}

/// A list a family, families and rules in the catalogue's order.
std::string lists() {
  std::string out = fmt::format("{} rules.\n\n", all_rules().size());
  for (unsigned f = 0; family_name(static_cast<Family>(f)) != "?"; ++f) {
    std::vector<RuleInfo> rules;
    std::ranges::copy_if(all_rules(), std::back_inserter(rules), [f](const RuleInfo& rule) {
      return rule.family == static_cast<Family>(f);
    });
    if (rules.empty()) continue;
    const Keeper keeper = rules.front().keeper;
    const bool one = std::ranges::all_of(
        rules, [keeper](const RuleInfo& rule) { return rule.keeper == keeper; });
    out += fmt::format("### {}{}\n\n", family_name(static_cast<Family>(f)),
                       one ? fmt::format(" ({})", keeper_name(keeper)) : "");
    for (const RuleInfo& rule : rules) out += line(rule, !one);
    out += "\n";
  }
  return out;
}

TEST(RulesDocument, HasTheCatalogue) {
  test::Document document(test::in_tree("docs/rules.md"));
  document.put("rules", lists());
  document.check();
}

TEST(RulesDocument, EachRuleIsOneLine) {
  for (const RuleInfo& rule : all_rules()) {
    const std::string text = line(rule, true);
    EXPECT_EQ(std::ranges::count(text, '\n'), 1) << text;
    EXPECT_EQ(std::ranges::count(text, '['), std::ranges::count(text, ']')) << text;
  }
}

}  // namespace
}  // namespace iommucheck::spec::rules_document_test
