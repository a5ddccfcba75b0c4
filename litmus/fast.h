// SPDX-License-Identifier: MIT
// A litmus test on the specification's own cache engine (spec/smmu/caches.h).
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "litmus/ast.h"
#include "litmus/judgement.h"

namespace iommucheck::litmus {

struct FastResult {
  Judgement judgement;
  /// For each access, one line "OUTCOME: why it is possible" for each member of its set.
  std::vector<std::vector<std::string>> reasons;
  /// For each broken rule, in the order found: "RULE (family): what happened".
  std::vector<std::string> evidence;
  bool literal = false;  ///< by the literal model (agreement.h)
};

/// Never fails: what cannot be judged is named in `judgement.unsupported`; a test whose names or
/// indices do not fit (layout.h) is an error.
Expected<FastResult> judge(const Test& test);

}  // namespace iommucheck::litmus
