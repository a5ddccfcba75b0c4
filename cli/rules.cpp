// SPDX-License-Identifier: MIT
#include "spec/rules.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/console.h"
#include "cli/options.h"
#include "spec/smmu/profile.h"

namespace iommucheck::cli {
namespace {

std::string families() {
  std::string text;
  for (unsigned i = 0;; ++i) {
    const auto name = spec::family_name(static_cast<spec::Family>(i));
    if (name == "?") return text;
    text += fmt::format("{}{}", i == 0 ? "" : " ", name);
  }
}

/// What was asked for, or why not.
Expected<std::vector<spec::RuleInfo>> select(const RulesCommand& options) {
  std::vector<spec::RuleInfo> rules;
  for (const auto& name : options.names) {
    if (!spec::find_rule(name)) {
      return fail(ErrorCode::bad_input,
                  fmt::format("there is no rule '{}'; `iommucheck rules` lists them", name));
    }
  }
  if (!options.family.empty() && !spec::find_family(options.family)) {
    return fail(ErrorCode::bad_input, fmt::format("--family: there is no '{}'; there are {}",
                                                  options.family, families()));
  }
  for (const spec::RuleInfo& rule : spec::all_rules()) {
    if (!options.names.empty() &&
        std::ranges::find(options.names, rule.name) == options.names.end()) {
      continue;
    }
    if (!options.family.empty() && spec::family_name(rule.family) != options.family) continue;
    if (!options.keeper.empty() && spec::keeper_name(rule.keeper) != options.keeper) continue;
    rules.push_back(rule);
  }
  if (rules.empty()) return fail(ErrorCode::bad_input, "no rule is all of what was asked for");
  return rules;
}

void print_json(const std::vector<spec::RuleInfo>& rules) {
  JsonWriter json;
  json.begin_object().key("rules").begin_array();
  for (const spec::RuleInfo& rule : rules) {
    json.begin_object()
        .member("name", rule.name)
        .member("family", spec::family_name(rule.family))
        .member("keeper", spec::keeper_name(rule.keeper))
        .member("source", rule.section)
        .member("text", rule.text)
        .end_object();
  }
  json.end_array().end_object().print();
}

void print_text(const std::vector<spec::RuleInfo>& rules) {
  std::string_view family;
  for (const spec::RuleInfo& rule : rules) {
    if (spec::family_name(rule.family) != family) {
      fmt::print("{}{}\n", family.empty() ? "" : "\n", spec::family_name(rule.family));
      family = spec::family_name(rule.family);
    }
    fmt::print("  {:<24} {}\n  {:<24} kept by the {}; {}\n", rule.name, rule.text, "",
               spec::keeper_name(rule.keeper), rule.section);
  }
  fmt::print("\n{} rules\n", rules.size());
}

std::string_view kind_of(const spec::ProfileItem& item) {
  return item.kind == spec::ProfileItem::Kind::choice ? "choice" : "deviation";
}

void print_choices_as_json() {
  JsonWriter json;
  json.begin_object().key("choices").begin_array();
  for (const spec::ProfileItem& item : spec::profile_items()) {
    json.begin_object()
        .member("name", item.name)
        .member("kind", kind_of(item))
        .member("source", item.section)
        .member("text", item.text)
        .member("default", item.values.front().name);
    if (!item.says.empty()) json.member("known", item.says);
    json.key("values").begin_array();
    for (const auto& value : item.values) {
      json.begin_object().member("name", value.name).member("text", value.text).end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().end_object().print();
}

int print_choices(const RulesCommand& options) {
  if (options.format == Format::json) {
    print_choices_as_json();
    return exit_held;
  }
  std::string_view kind;
  for (const spec::ProfileItem& item : spec::profile_items()) {
    if (kind_of(item) != kind) fmt::print("{}{}s\n", kind.empty() ? "" : "\n", kind_of(item));
    kind = kind_of(item);
    fmt::print("  {:<18} {}\n  {:<18} {}{}{}\n", item.name, item.text, "", item.section,
               item.says.empty() ? "" : "; ", item.says);
    for (const auto& value : item.values) {
      fmt::print("  {:<18} {}{}: {}\n", "", value.name,
                 &value == item.values.data() ? " (without a profile)" : "", value.text);
    }
  }
  fmt::print("\n{} that a profile may state\n", spec::profile_items().size());
  return exit_held;
}

}  // namespace

int run_rules(const RulesCommand& options) {
  if (options.choices) return print_choices(options);
  const auto rules = select(options);
  if (!rules) return report("rules", rules.error());
  if (options.format == Format::json) {
    print_json(*rules);
  } else {
    print_text(*rules);
  }
  return exit_held;
}

}  // namespace iommucheck::cli
