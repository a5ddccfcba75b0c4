// SPDX-License-Identifier: MIT
// What a run says of each rule that a driver has to keep.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "monitor/monitor.h"
#include "spec/smmu/registers.h"

namespace iommucheck::oracle {

enum class RuleVerdict : u8 {
  holds,  ///< kept, and without it another outcome would have been allowed
  broken,
  not_claimed,  ///< the ID registers say that it is not there
  not_exercised,
  undetermined,
};
constexpr std::string_view to_string(RuleVerdict verdict) {
  switch (verdict) {
    case RuleVerdict::holds: return "holds";
    case RuleVerdict::broken: return "broken";
    case RuleVerdict::not_claimed: return "not claimed";
    case RuleVerdict::not_exercised: return "not exercised";
    case RuleVerdict::undetermined: return "undetermined";
  }
  return "?";
}

struct RuleCount {
  spec::Rule rule{};
  RuleVerdict verdict = RuleVerdict::not_exercised;
  u64 kept = 0;            ///< times it was asked and held
  u64 discriminating = 0;  ///< of these, times something else was possible
  u64 broken = 0;
  std::string why;        ///< for not_claimed, not_exercised and undetermined; may be empty
  bool as_known = false;  ///< broken in known ways only: the run does not fail of it
};

/// Whether one of the rules has this verdict.
bool any_rule(std::span<const RuleCount> rules, RuleVerdict verdict);

/// By how often it was asked, could have been broken, and was: broken, holds if it could have been
/// broken and never was, else not_exercised, without the reason.
RuleCount rule_count(spec::Rule rule, u64 asked, u64 discriminating, u64 broken);

/// How often each rule, by its number, was asked, could have been broken, and was.
struct RuleTally {
  static constexpr std::size_t size = spec::rule_numbers;
  std::array<u64, size> asked{};
  std::array<u64, size> discriminating{};
  std::array<u64, size> broken{};
  std::array<u64, size> order_unknown{};  ///< see Statistics

  /// Adds what a monitor has counted since it was made; once a monitor.
  void add(Monitor& monitor);
  void add(const RuleTally& more);
  /// Each call could have crashed, and might not have returned.
  void add_calls(u64 calls);
  [[nodiscard]] RuleCount count(spec::Rule rule) const;
};

/// The rules whose keeper is the driver, in the catalogue's order, each with its verdict: broken;
/// holds if it could have been broken at least once and never was; not claimed by any SMMU with
/// such ID registers, or not judged in such a run; else not exercised. The last two with the
/// reason.
std::vector<RuleCount> rule_counts(const RuleTally& tally,
                                   std::span<const spec::Capabilities> machines);

}  // namespace iommucheck::oracle
