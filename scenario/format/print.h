// SPDX-License-Identifier: MIT
// Scenarios as text that parses to equal ones.
#pragma once

#include <string>

#include "scenario/format/ast.h"

namespace iommucheck::scenario {

std::string print(const Value& value);
/// Alternatives with ` | ` between them.
std::string print(const Values& alternatives);
std::string print(const Invoke& call);
/// One line, without an end of line.
std::string print(const Step& step);
std::string print(const Scenario& scenario);
std::string print(const File& file);

}  // namespace iommucheck::scenario
