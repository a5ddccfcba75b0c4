// SPDX-License-Identifier: MIT
// docs/rules.md has the catalogue between markers. After a change of spec/rules/*.def,
// `./dev generate` writes it anew.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "spec/rules.h"
#include "tests/document.h"
#include "tests/places.h"

namespace iommucheck::spec::rules_document_test {
namespace {

std::string line(const RuleInfo& rule) {
  std::string text = "- `";
  text += rule.name;
  text += "` (";
  text += keeper_name(rule.keeper);
  text += "): ";
  text += rule.text;
  if (const auto why = not_modelled(rule.rule); !why.empty()) {
    text += " *Not modelled: ";
    text += why;
    text += ".*";
  }
  text += " [";
  text += rule.section;
  return text + "]\n";
}

/// A list a family, families and rules in the catalogue's order.
std::string lists() {
  std::string out = std::to_string(all_rules().size()) + " rules.\n\n";
  for (unsigned f = 0; family_name(static_cast<Family>(f)) != "?"; ++f) {
    std::string lines;
    for (const RuleInfo& rule : all_rules()) {
      if (rule.family == static_cast<Family>(f)) lines += line(rule);
    }
    if (lines.empty()) continue;
    out += "### ";
    out += family_name(static_cast<Family>(f));
    out += "\n\n" + lines + "\n";
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
    const std::string text = line(rule);
    EXPECT_EQ(std::ranges::count(text, '\n'), 1) << text;
    EXPECT_EQ(std::ranges::count(text, '['), std::ranges::count(text, ']')) << text;
  }
}

}  // namespace
}  // namespace iommucheck::spec::rules_document_test
