// SPDX-License-Identifier: MIT
// Calls that are built, change nothing, and have no operation of their own: a new one in calls.def
// is asked without anything being written for it here.
#pragma once

#include <algorithm>
#include <array>

#include "base/call_arguments.h"

namespace iommucheck::fuzz {

constexpr bool is_other_query(const CallShape& call) {
  constexpr std::string_view known[] = {"iova_to_phys",   "sva_iova_to_phys", "domain_get_attr",
                                        "io_mm_get_attr", "io_mm_get_pasid",  "sva_drvdata",
                                        "io_mm_of",       "task_get_attr"};
  return call.built && call.asks && std::ranges::find(known, call.name) == std::end(known);
}

/// Their positions in calls.def.
inline constexpr auto other_queries = [] {
  std::array<std::size_t, std::ranges::count_if(call_shapes, is_other_query)> positions{};
  std::size_t at = 0;
  for (std::size_t i = 0; i < call_shapes.size(); ++i) {
    if (is_other_query(call_shapes[i])) positions[at++] = i;
  }
  return positions;
}();

}  // namespace iommucheck::fuzz
