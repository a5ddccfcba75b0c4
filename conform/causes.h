// SPDX-License-Identifier: MIT
// Findings that one thing makes right are taken to be of one cause. What that is says an
// intervention: a change of the case with which the device does no wrong.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "conform/divergence.h"
#include "conform/interventions.h"

namespace iommucheck::oracle {

/// A case, and a finding that it shows.
struct CaseShowing {
  const Case* what = nullptr;
  const Divergence* found = nullptr;
};

struct CauseGroup {
  std::size_t intervention = 0;      ///< with which all of them are right
  std::vector<std::size_t> members;  ///< by their place among the findings
};

/// Does the device show that finding in that case?
using StillShows = std::function<Expected<bool>(const Case& what, const Divergence& found)>;

/// Few groups: whatever makes most of what is left right comes next. What nothing makes right is in
/// none.
Expected<std::vector<CauseGroup>> causes_of(std::span<const CaseShowing> findings,
                                            const DeviceIdentity& device, const StillShows& shows);

}  // namespace iommucheck::oracle
