// SPDX-License-Identifier: MIT
// Clocks and quantiles. Everything here is in nanoseconds.
#pragma once

#include <algorithm>
#include <chrono>
#include <ctime>
#include <vector>

#include "base/types.h"

namespace iommucheck::bench {

/// Monotonic.
inline double now_ns() {
  return static_cast<double>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                 std::chrono::steady_clock::now().time_since_epoch())
                                 .count());
}

/// What this process computed: other processes on the machine do not count.
inline double cpu_ns() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

/// Measurements of one thing.
class Samples {
 public:
  void add(double value) {
    values_.push_back(value);
    sorted_ = false;
  }
  [[nodiscard]] std::size_t count() const { return values_.size(); }
  /// The smallest value that at least `part` (0..1) of them do not exceed; 0 if there are none.
  [[nodiscard]] double quantile(double part) {
    if (values_.empty()) return 0;
    if (!sorted_) std::ranges::sort(values_);
    sorted_ = true;
    const double place = part * static_cast<double>(values_.size());
    auto index = static_cast<std::size_t>(place);
    if (static_cast<double>(index) == place && index != 0) --index;
    return values_[std::min(index, values_.size() - 1)];
  }
  [[nodiscard]] double median() { return quantile(0.5); }
  [[nodiscard]] double min() { return quantile(0); }
  [[nodiscard]] double max() { return quantile(1); }

 private:
  std::vector<double> values_;
  bool sorted_ = true;
};

/// Keeps a result, so that what computed it is not left out.
template <class T>
inline void keep(const T& value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

}  // namespace iommucheck::bench
