// SPDX-License-Identifier: MIT
// What can be seen wrong in a scenario without running it: calls that do not exist, too few or too
// many arguments, names that nothing was called by, settings that no world has.
#pragma once

#include <optional>
#include <string_view>

#include "base/error.h"
#include "scenario/format/ast.h"

namespace iommucheck::scenario {

/// Arguments of a call as in calls.def, without `/`.
struct Signature {
  std::string_view name;
  std::string_view letters;  ///< one an argument
  std::size_t least = 0;     ///< arguments that must be there
};

/// Null: there is no such call.
const Signature* find_call(std::string_view name);

/// The first thing that is wrong; `file` is used in messages.
std::optional<Error> check_names(const Scenario& scenario, std::string_view file);

}  // namespace iommucheck::scenario
