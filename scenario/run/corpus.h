// SPDX-License-Identifier: MIT
// Scenarios as operations of the fuzzers: seeds of their corpora. An operation names nothing
// absolutely, so a seed does what the scenario does on objects that are like the scenario's; its
// expectations stay behind, since the fuzzers judge by the specification.
#pragma once

#include <optional>
#include <vector>

#include "operations/operation.h"
#include "scenario/format/ast.h"

namespace iommucheck::oracle::stories {

/// Nothing if the scenario is about what operations cannot say, or says nothing but probes.
/// At most fuzz::operations_max.
std::optional<std::vector<fuzz::Operation>> to_operations(const scenario::Scenario& scenario);

}  // namespace iommucheck::oracle::stories
