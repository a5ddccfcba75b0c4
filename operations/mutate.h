// SPDX-License-Identifier: MIT
// Mutations that keep operations whole, for libFuzzer.
#pragma once

#include <span>

#include "base/types.h"
#include "operations/operation.h"

namespace iommucheck::fuzz {

/// Inserts, removes, repeats, moves or changes operations of a case: one to four such steps, all
/// drawn from `seed`. At most operations_max; never empty.
std::vector<Operation> mutate(std::vector<Operation> operations, u64 seed);

/// The beginning of one case and the end of another.
std::vector<Operation> cross(std::span<const Operation> first, std::span<const Operation> second,
                             u64 seed);

}  // namespace iommucheck::fuzz
