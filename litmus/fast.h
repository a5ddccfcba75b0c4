// SPDX-License-Identifier: MIT
// A litmus test on the specification's own cache engine (spec/smmu/caches.h).
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "litmus/ast.h"
#include "litmus/judgement.h"
#include "litmus/reason.h"

namespace iommucheck::litmus {

struct FastResult {
  Judgement judgement;
  /// For each access, one for each member of its set.
  std::vector<std::vector<Reason>> reasons;
  /// For each access, structures of its stream of which words may be cached that memory no longer
  /// says.
  std::vector<std::vector<std::string>> configuration;
  /// Broken rules, in the order found.
  std::vector<Blame> evidence;
  /// By the literal model (agreement.h): what the engine has not got. Else empty.
  std::string literal{};
};

/// Never fails: what cannot be judged is named in `judgement.unsupported`; a test whose names or
/// indices do not fit (layout.h) is an error.
Expected<FastResult> judge(const Test& test);

}  // namespace iommucheck::litmus
