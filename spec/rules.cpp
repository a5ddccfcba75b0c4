// SPDX-License-Identifier: MIT
#include "spec/rules.h"

#include <array>
#include <utility>

namespace iommucheck::spec {
namespace {

constexpr RuleInfo catalogue[] = {
#define RULE(id, family, keeper, section, text) \
  {Rule::id, #id, Family::family, Keeper::keeper, section, text},
#include "spec/rules.def"
#undef RULE
};

constexpr std::pair<Family, std::string_view> families[] = {
    {Family::page_reuse, "page-reuse"},
    {Family::table_free, "table-free"},
    {Family::conflict, "conflict"},
    {Family::tag, "tag"},
    {Family::promise, "promise"},
    {Family::lost_update, "lost-update"},
    {Family::wild, "wild"},
    {Family::unknown, "unknown"},
    {Family::torn, "torn"},
    {Family::queue_protocol, "queue-protocol"},
    {Family::register_protocol, "register-protocol"},
    {Family::result, "result"},
    {Family::leak, "leak"},
    {Family::hang, "hang"},
    {Family::crash, "crash"},
    {Family::ste, "ste"},
    {Family::cd, "cd"},
    {Family::substream, "substream"},
    {Family::translation, "translation"},
    {Family::permission, "permission"},
    {Family::command, "command"},
    {Family::event, "event"},
    {Family::coverage, "coverage"},
};

}  // namespace

std::span<const RuleInfo> all_rules() { return catalogue; }

const RuleInfo& rule_info(Rule rule) { return catalogue[static_cast<std::size_t>(rule)]; }

std::string_view not_modelled(Rule rule) {
  switch (rule) {
    default: return {};
  }
}

std::optional<Rule> find_rule(std::string_view name) {
  for (const RuleInfo& info : catalogue) {
    if (info.name == name) return info.rule;
  }
  return std::nullopt;
}

std::string_view family_name(Family family) {
  for (const auto& [value, name] : families) {
    if (value == family) return name;
  }
  return "?";
}

std::optional<Family> find_family(std::string_view name) {
  for (const auto& [value, text] : families) {
    if (text == name) return value;
  }
  return std::nullopt;
}

std::string_view keeper_name(Keeper keeper) {
  constexpr std::array<std::string_view, 6> names = {"driver", "caller",      "device",
                                                     "smmu",   "environment", "user"};
  return names[static_cast<std::size_t>(keeper)];
}

}  // namespace iommucheck::spec
