// SPDX-License-Identifier: MIT
// A finding is what shows again in its case alone, on a device that no other case has touched; it
// is told by the shortest case that shows it.
#pragma once

#include <optional>
#include <vector>

#include "conform/asked_device.h"
#include "conform/found_divergence.h"

namespace iommucheck::oracle {

/// A case that shows a finding, with a run that did.
struct Confirmed {
  Case what;
  Run run;
};

class Confirmer {
 public:
  explicit Confirmer(AskedDevice& device) : device_(device) {}

  /// The shortest case that shows it again; or the case that showed it, if what was made of that
  /// does not. Nothing: neither does. Says in `fresh` how often it was shown, and as what.
  Expected<std::optional<Confirmed>> confirm(const Case& what, FoundDivergence& fresh);

 private:
  /// The case again and again on a device that no other case has touched, and the last of its runs
  /// that showed it; nothing if they were too few. What is found is told as that run shows it.
  Expected<std::optional<Run>> shows_again(const Case& what, FoundDivergence& fresh);
  /// Leaves out steps, many at once and then single ones, as long as the same is found.
  Expected<Case> shrink(Case shortest, const Divergence& wanted);
  /// What an invalidation has to do with it costs as much as many cases: it is asked where the rest
  /// fits. No new mistakes of the driver: they would allow the device more, or something else.
  Expected<bool> still_shows(const Case& shorter, const Divergence& wanted,
                             const std::vector<spec::Rule>& drivers);

  AskedDevice& device_;
};

}  // namespace iommucheck::oracle
