// SPDX-License-Identifier: MIT
// A small, strict validator of JSON against the part of JSON Schema (draft 7) that tests/data uses.
#pragma once

#include <string>
#include <vector>

#include "trace/json_value.h"

namespace iommucheck::oracle {

/// What is wrong with `value`, a line each, with the path to it; empty if nothing is. A keyword of
/// the schema that is not known is an error too.
std::vector<std::string> validate(const trace::JsonValue& value, const trace::JsonValue& schema);

}  // namespace iommucheck::oracle
