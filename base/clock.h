// SPDX-License-Identifier: MIT
// How long something takes; nothing that is judged depends on it.
#pragma once

#include <chrono>

namespace iommucheck {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace iommucheck
