// SPDX-License-Identifier: MIT
// The catalogue of rules: what is checked, where the architecture or interface says so, who must
// keep it. The entries are in rules/*.def; everything that names a rule names one of them.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "base/types.h"

namespace iommucheck::spec {

/// Who is at fault when a rule is broken. A backend keeps the rules of drivers, where it drives
/// other hardware below our own core; no rule names it.
enum class Keeper : u8 { driver, caller, device, smmu, environment, user, backend };

/// Rules that users, litmus tests and twins name together. The first eight are the litmus ones.
enum class Family : u8 {
  page_reuse,
  table_free,
  conflict,
  tag,
  promise,
  lost_update,
  wild,
  unknown,
  torn,
  queue_protocol,
  register_protocol,
  result,
  leak,
  hang,
  crash,
  ste,
  cd,
  substream,
  translation,
  permission,
  command,
  event,
  coverage,
  cont,
};

/// A rule, by its number. Its name, rule::PAGE_REUSE, is in the header of its area, spec/rules/*.h,
/// so that a new one concerns who names rules of that area and nobody else.
enum class Rule : u16;

/// The first number of each area: what is between two of them is room for new rules.
namespace area {
inline constexpr u16 promises = 0;
inline constexpr u16 protocol = 32;
inline constexpr u16 structures = 64;
inline constexpr u16 translation = 128;
inline constexpr u16 commands = 160;
inline constexpr u16 records = 192;
inline constexpr u16 interface = 224;
inline constexpr u16 end = 256;
}  // namespace area
constexpr std::size_t rule_numbers = area::end;

/// The number, as an index into arrays of `rule_numbers`.
constexpr std::size_t number_of(Rule rule) { return static_cast<std::size_t>(rule); }

/// The rule of that number, where there is one.
std::optional<Rule> rule_of(std::size_t number);

struct RuleInfo {
  Rule rule;
  std::string_view name;
  Family family;
  Keeper keeper;
  std::string_view section;  ///< e.g. "IHI 0070 5.2; arch 2.3"
  std::string_view text;     ///< one sentence
};

/// All rules, in the order of their numbers.
std::span<const RuleInfo> all_rules();

const RuleInfo& rule_info(Rule rule);
inline std::string_view rule_name(Rule rule) { return rule_info(rule).name; }

/// Why nothing in this tree decides the rule yet, or is able to break it; empty where something
/// does. Such a rule never "holds": reports give this reason.
std::string_view not_modelled(Rule rule);

/// The rule of that name, or nothing.
std::optional<Rule> find_rule(std::string_view name);

/// Printed with a hyphen: "page-reuse".
std::string_view family_name(Family family);
std::optional<Family> find_family(std::string_view name);
std::string_view keeper_name(Keeper keeper);

}  // namespace iommucheck::spec
