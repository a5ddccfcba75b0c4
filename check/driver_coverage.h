// SPDX-License-Identifier: MIT
// Which blocks of a driver were entered, of one that `iommucheck cc --coverage` built.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/mapped.h"
#include "base/types.h"
#include "iommucheck/hooks.h"

namespace iommucheck::oracle {

/// In memory that all processes of a run share.
class DriverCoverage {
 public:
  /// More are not counted.
  static constexpr u64 places_max = u64{1} << 18;

  /// environment if there is no memory.
  static Expected<std::shared_ptr<DriverCoverage>> create();

  /// What was entered since the driver's variables were put back last. Without effect where the
  /// hooks have no counters.
  void note(const iommucheck_hooks* hooks);

  struct Place {
    u64 pc = 0;             ///< as the object's symbol table counts it
    bool function = false;  ///< a function begins there
    bool entered = false;
  };
  /// By address; empty: the driver has no counters.
  [[nodiscard]] std::vector<Place> places() const;

 private:
  struct Shared;
  Mapped<Shared> shared_;
};

/// Whether who built the hooks has counters for them.
bool has_counters(const iommucheck_hooks* hooks);

/// A line with the numbers, one for each function that was never entered, and one for each other
/// with blocks that were not: "map of smu.c, line 812". `plugin`: the object that the places are
/// of.
std::vector<std::string> coverage_lines(const DriverCoverage& coverage, const std::string& plugin);

}  // namespace iommucheck::oracle
