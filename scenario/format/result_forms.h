// SPDX-License-Identifier: MIT
// Results with a form of their own, `done(…)`, `bits(…)`, `fault(…)`, `event(…)`: which call has
// them, and how long they are.
#pragma once

#include <optional>
#include <string>

#include "scenario/format/ast.h"

namespace iommucheck::scenario {

/// What is wrong with it as a result of that call, as far as numbers stand there; nothing: it may
/// be.
std::optional<std::string> wrong_result(const Invoke& invoke, const Value& result);

}  // namespace iommucheck::scenario
