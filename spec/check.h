// SPDX-License-Identifier: MIT
// How the specification writes an ordered list of conditions: each carries its rule, the first one
// that fails decides. `if (auto fault = check(...)) return *fault;`
#pragma once

#include <optional>

#include "base/word.h"
#include "spec/rules.h"
#include "spec/smmu/event_type.h"

namespace iommucheck::spec {

/// Why a transaction ended: the rule that decided, and the record it raises.
struct Fault {
  Rule rule;
  EventType event;
  unsigned level = 0;  ///< level of the descriptor, where there is one
  friend bool operator==(const Fault&, const Fault&) = default;
};

/// Nothing if `holds`; otherwise the fault. One fork of a proof.
template <class Condition>
constexpr std::optional<Fault> check(Rule rule, EventType event, Condition holds,
                                     unsigned level = 0) {
  if (holds) return std::nullopt;
  return Fault{rule, event, level};
}

/// The same for legality, where the list as a whole stands for one event.
template <class Condition>
constexpr std::optional<Rule> require(Rule rule, Condition holds) {
  if (holds) return std::nullopt;
  return rule;
}

}  // namespace iommucheck::spec
