// SPDX-License-Identifier: MIT
// Why an access may end so, and what a driver broke: words of the specification, with the rule and
// the section of the manual by which they are so.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "spec/rules.h"
#include "spec/smmu/cause.h"

namespace iommucheck::litmus {

/// One member of a set, and one way to it.
struct Reason {
  std::string outcome;
  std::string why;
  std::optional<spec::Rule> rule{};  ///< that decides it, where one does
  std::string_view section;          ///< of the rule, or about what the cause is

  [[nodiscard]] std::string text() const { return outcome + ": " + why; }
};

/// A rule that the driver broke.
struct Blame {
  spec::Rule rule;
  std::string family;  ///< as the format names it
  std::string what;

  [[nodiscard]] std::string text() const {
    return std::string(spec::rule_name(rule)) + " (" + family + "): " + what;
  }
};

/// `illegal`: the outcome is C_BAD_STE or C_BAD_CD, whose rules say what is not so.
Reason reason_of(std::string outcome, const spec::Cause& cause, bool illegal,
                 const spec::Namer& namer);

}  // namespace iommucheck::litmus
