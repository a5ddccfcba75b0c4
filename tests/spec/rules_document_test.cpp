// SPDX-License-Identifier: MIT
// docs/rules.md has the catalogue between markers. After a change of spec/rules/*.def,
// IOMMUCHECK_UPDATE_DOCS=1 makes this test write it anew.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "spec/rules.h"
#include "tests/document.h"
#include "tests/places.h"

namespace iommucheck::spec::rules_document_test {
namespace {

std::string row(const RuleInfo& rule) {
  std::string text = "| `";
  text += rule.name;
  text += "` | ";
  text += rule.text;
  if (const auto why = not_modelled(rule.rule); !why.empty()) {
    text += " *Not modelled: ";
    text += why;
    text += ".*";
  }
  text += " | ";
  text += keeper_name(rule.keeper);
  text += " | ";
  text += rule.section;
  return text + " |\n";
}

/// A table a family, families and rules in the catalogue's order.
std::string tables() {
  std::string out = std::to_string(all_rules().size()) + " rules.\n\n";
  for (unsigned f = 0; family_name(static_cast<Family>(f)) != "?"; ++f) {
    std::string rows;
    for (const RuleInfo& rule : all_rules()) {
      if (rule.family == static_cast<Family>(f)) rows += row(rule);
    }
    if (rows.empty()) continue;
    out += "### ";
    out += family_name(static_cast<Family>(f));
    out += "\n\n| rule | what must hold | kept by | source |\n|---|---|---|---|\n" + rows + "\n";
  }
  return out;
}

TEST(RulesDocument, HasTheCatalogue) {
  test::Document document(test::in_tree("docs/rules.md"));
  document.put("rules", tables());
  document.check();
}

TEST(RulesDocument, RowsHaveTheirColumns) {
  for (const RuleInfo& rule : all_rules()) {
    const std::string text = row(rule);
    EXPECT_EQ(std::ranges::count(text, '|'), 5) << text;
  }
}

}  // namespace
}  // namespace iommucheck::spec::rules_document_test
