// SPDX-License-Identifier: MIT
#include "monitor/assignment.h"

#include <algorithm>

namespace iommucheck::oracle {

namespace {

constexpr std::int64_t infinite = std::int64_t{1} << 62;

/// The Hungarian method: rows enter one by one, each along the cheapest augmenting path by the
/// potentials of rows and columns. Row 0 and column 0 stand for "none".
class Hungarian {
 public:
  Hungarian(const CostTable& costs, const std::vector<std::int64_t>& alone)
      : costs_(costs),
        alone_(alone),
        rows_(costs.size()),
        columns_(costs.front().size()),
        row_potential_(rows_ + 1, 0),
        column_potential_(columns_ + rows_ + 1, 0),
        row_of_(columns_ + rows_ + 1, 0),
        before_(columns_ + rows_ + 1, 0) {}

  std::vector<std::optional<std::size_t>> run() {
    for (std::size_t row = 1; row <= rows_; ++row) enter(row);
    std::vector<std::optional<std::size_t>> result(rows_);
    for (std::size_t column = 1; column <= columns_; ++column) {
      if (row_of_[column] != 0) result[row_of_[column] - 1] = column - 1;
    }
    return result;
  }

 private:
  /// Behind the real columns each row has one where it is alone.
  [[nodiscard]] std::int64_t cost(std::size_t row, std::size_t column) const {
    if (column <= columns_) return costs_[row - 1][column - 1];
    return column - columns_ == row ? alone_[row - 1] : forbidden_pair;
  }

  void enter(std::size_t row) {
    row_of_[0] = row;
    std::vector<std::int64_t> least(row_of_.size(), infinite);
    std::vector<bool> used(row_of_.size(), false);
    std::size_t at = 0;
    do {
      used[at] = true;
      const std::size_t its = row_of_[at];
      std::int64_t step = infinite;
      std::size_t next = 0;
      for (std::size_t column = 1; column < row_of_.size(); ++column) {
        if (used[column]) continue;
        const std::int64_t reduced =
            cost(its, column) - row_potential_[its] - column_potential_[column];
        if (reduced < least[column]) {
          least[column] = reduced;
          before_[column] = at;
        }
        if (least[column] < step) {
          step = least[column];
          next = column;
        }
      }
      for (std::size_t column = 0; column < row_of_.size(); ++column) {
        if (used[column]) {
          row_potential_[row_of_[column]] += step;
          column_potential_[column] -= step;
        } else {
          least[column] -= step;
        }
      }
      at = next;
    } while (row_of_[at] != 0);
    for (; at != 0; at = before_[at]) row_of_[at] = row_of_[before_[at]];
  }

  const CostTable& costs_;
  const std::vector<std::int64_t>& alone_;
  std::size_t rows_, columns_;
  std::vector<std::int64_t> row_potential_, column_potential_;
  std::vector<std::size_t> row_of_, before_;
};

}  // namespace

std::vector<std::optional<std::size_t>> least_cost_assignment(
    const CostTable& costs, const std::vector<std::int64_t>& alone) {
  if (costs.empty()) return {};
  return Hungarian(costs, alone).run();
}

}  // namespace iommucheck::oracle
