// SPDX-License-Identifier: MIT
// A finding of a run of conform: a divergence, and what the run knows of it.
#pragma once

#include <string>
#include <vector>

#include "conform/divergence.h"
#include "monitor/finding.h"

namespace iommucheck::oracle {

struct FoundDivergence {
  Divergence divergence;
  std::string known_id;  ///< empty: it is new
  /// Of what is new: worded as that entry, and comes in a directed case that did not show it when
  /// it became known.
  std::string worded_as{};
  u64 times = 0;
  std::string first_case;          ///< that showed it
  std::vector<std::string> steps;  ///< of the shortest case found; empty for known ones
  std::string trace_path;          ///< if it was written
  u32 shown = 0, runs = 0;         ///< so often in so many further runs of its case, alone
  /// What makes it right, if anything does: findings that have that in common are of one cause.
  std::string cause{};
  bool behind = false;  ///< it shows where the causes of all others are taken out of the cases
};

/// As a finding, like any other.
Violation violation_of(const FoundDivergence& found);

}  // namespace iommucheck::oracle
