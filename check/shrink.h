// SPDX-License-Identifier: MIT
// From a sequence that fails to a short one that fails in the same way.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "base/types.h"
#include "operations/operation.h"

namespace iommucheck::oracle {

/// Runs the sequence from the start; whether it shows what is looked for (the same rule).
using StillFails = std::function<bool(std::span<const fuzz::Operation>)>;

struct ShrinkBudget {
  u64 runs_max = 20'000;
  std::function<bool()> stop;  ///< asked before each run; may be empty
};

struct ShrinkResult {
  std::vector<fuzz::Operation> operations;  ///< always fails, if what was given does
  u64 runs = 0;
  bool reproduced = false;  ///< what was given failed; false: it is returned as it was
  /// No operation (and no two, of up to 24) can be left out, and no single field can be 0.
  bool minimal = false;
};

/// Leaves out operations (halves, quarters, ..., single ones, pairs where there are 24 at most),
/// then makes fields smaller, and so on until nothing changes. Deterministic if `still_fails` is.
/// The order of operations and their kinds stay.
ShrinkResult shrink(std::vector<fuzz::Operation> operations, const StillFails& still_fails,
                    const ShrinkBudget& budget = {});

}  // namespace iommucheck::oracle
