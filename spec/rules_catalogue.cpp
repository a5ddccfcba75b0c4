// SPDX-License-Identifier: MIT
#include "spec/rules.h"

#include <array>
#include <iterator>
#include <utility>

#include "spec/rules/commands.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "spec/rules/protocol.h"
#include "spec/rules/records.h"
#include "spec/rules/structures.h"
#include "spec/rules/translation.h"
#include "spec/rules/unset.h"

namespace iommucheck::spec {

static_assert(unset::structure == rule::STE_VALID);
static_assert(unset::descriptor == rule::S1_DESCRIPTOR_VALID);
static_assert(unset::result == rule::RESULT_EXACT);

namespace {

constexpr RuleInfo catalogue[] = {
#define RULE(id, family, keeper, section, text) \
  {rule::id, #id, Family::family, Keeper::keeper, section, text},
#include "spec/rules/all.def"
#undef RULE
};

constexpr u8 no_place = 0xff;
static_assert(std::size(catalogue) < no_place);

/// Where the rule of each number stands in the catalogue.
constexpr auto place_of = [] {
  std::array<u8, rule_numbers> all{};
  all.fill(no_place);
  for (std::size_t i = 0; i < std::size(catalogue); ++i) {
    u8& place = all[number_of(catalogue[i].rule)];
    if (place != no_place) throw "two rules have one number: an area is full";
    place = static_cast<u8>(i);
  }
  return all;
}();

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
    {Family::cont, "cont"},
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

const RuleInfo& rule_info(Rule rule) { return catalogue[place_of[number_of(rule)]]; }

std::optional<Rule> rule_of(std::size_t number) {
  if (number >= rule_numbers || place_of[number] == no_place) return std::nullopt;
  return static_cast<Rule>(number);
}

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
  constexpr std::array<std::string_view, 7> names = {"driver",      "caller", "device", "smmu",
                                                     "environment", "user",   "backend"};
  return names[static_cast<std::size_t>(keeper)];
}

}  // namespace iommucheck::spec
