// SPDX-License-Identifier: MIT
// What rules were asked, summed over any number of runs: the rule-coverage file.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/error.h"
#include "monitor/rule_verdicts.h"

namespace iommucheck::oracle {

struct RuleCoverage {
  struct Counts {
    u64 asked = 0;
    u64 discriminating = 0;  ///< of these, times it could have been broken
    u64 broken = 0;
    friend bool operator==(const Counts&, const Counts&) = default;
  };
  u64 runs = 0;
  std::map<std::string, Counts> rules;  ///< by name; names of other versions are kept
  friend bool operator==(const RuleCoverage&, const RuleCoverage&) = default;

  /// One more run. Rules that were not asked are there too, with zeros.
  static RuleCoverage of(const RuleTally& tally);
  /// Sums that would exceed 64 bits stay at the largest number.
  void add(const RuleCoverage& other);
};

/// {"iommucheck-rule-coverage": 1, "runs": …, "rules": {NAME: {"asked": …, …}}}, a rule a line.
std::string to_json(const RuleCoverage& coverage);
/// bad_input with name:line:column for anything that to_json does not write.
Expected<RuleCoverage> coverage_from_json(std::string_view text, std::string_view name);

/// Adds to the file, which is made if there is none or it is empty, replaced as a whole, and locked
/// against others that add at the same time. Errors: bad_input (something else is in it; it stays),
/// environment.
Expected<void> add_to_coverage_file(const std::string& path, const RuleCoverage& coverage);

}  // namespace iommucheck::oracle
