// SPDX-License-Identifier: MIT
// Who gets what, at the least cost together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace iommucheck::oracle {

/// Costs of row i with column j; all rows have the same number of columns.
using CostTable = std::vector<std::vector<std::int64_t>>;
inline constexpr std::int64_t forbidden_pair = std::int64_t{1} << 58;

/// A column for each row, no column twice, so that the sum is least; nothing for a row that is
/// better alone, which costs `alone` of it. Time O(rows^2 * (rows + columns)).
std::vector<std::optional<std::size_t>> least_cost_assignment(
    const CostTable& costs, const std::vector<std::int64_t>& alone);

}  // namespace iommucheck::oracle
