// SPDX-License-Identifier: MIT
// A finding about a device, and what conform has of it beside: what it is known by, and where the
// case that shows it does.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "conform/afresh.h"
#include "monitor/finding.h"

namespace iommucheck::oracle {

/// Its `statement` says all, promises too. `kind` and `which` stay as they were found.
struct Divergence : Finding {
  /// In words, the same in each case that shows it: with the rule, what it is known by.
  std::string called{};
  std::size_t event = 0;  ///< index in the trace
  /// Rule and words of before it was called after an invalidation.
  struct FoundAs {
    spec::Rule rule{};
    std::string called{};
    friend bool operator==(const FoundAs&, const FoundAs&) = default;
  } found_as{};
  std::optional<AfreshAt> afresh_of{};  ///< it is called as the case afresh() shows it

  Divergence() = default;
  Divergence(Finding finding, std::size_t place);

  [[nodiscard]] bool same(const Divergence& other) const {
    return rule == other.rule && called == other.called;
  }
  /// As it was found, whatever it is called.
  [[nodiscard]] bool same_finding(const Divergence& other) const {
    return found_as == other.found_as;
  }
};

/// Adds it, if none there is the same.
void add_distinct(std::vector<Divergence>& found, Divergence one);

}  // namespace iommucheck::oracle
