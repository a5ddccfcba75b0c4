// SPDX-License-Identifier: MIT
// Two drivers, the same calls: where one answers or leaves reachable what the other does not, and
// which of them the specification allows.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "check/check.h"

namespace iommucheck::oracle {

/// What a driver did at the first call where the two differ.
struct Side {
  std::string what;    ///< its answer, or what an access may meet
  std::string broken;  ///< the rule that it breaks with that, in words; empty: it is allowed
};

struct Difference {
  std::string call;    ///< after which they differ, as the first driver got it
  std::string access;  ///< of which the outcomes differ; empty: the answers do
  Side sides[2];
  std::vector<std::string> calls;           ///< up to it, with the answers of both
  std::vector<fuzz::Operation> operations;  ///< the shortest sequence found
  u64 sequence = 0;
  std::string machine;
  [[nodiscard]] bool both_allowed() const {
    return sides[0].broken.empty() && sides[1].broken.empty();
  }
};

struct Comparison {
  std::string names[2];
  u64 sequences = 0, calls = 0;
  u64 apart = 0;                        ///< of them, sequences that ended at a difference
  std::vector<std::string> facts;       ///< of their domains, where these differ
  std::vector<std::string> refused;     ///< machines that one of them is not for
  std::vector<Difference> differences;  ///< one of each kind, options.findings_max at most
  u64 unread = 0;  ///< differences that the worker process left and that cannot be read
  bool stopped = false;
};

/// Runs sequences of `options` against options.driver and `other`, with the calls that both have
/// and what both claim. bad_input for a driver that cannot be used; environment where a driver
/// dies: run it alone then.
Expected<Comparison> compare_drivers(const CheckOptions& options, const std::string& other);

/// "a.so and b.so: 2 differences, ..."; and a difference in several lines.
std::string comparison_text(const Comparison& comparison);
std::string difference_text(const Comparison& comparison, const Difference& difference);

}  // namespace iommucheck::oracle
