// SPDX-License-Identifier: MIT
#include "scenario/random/shrink_lines.h"

#include <algorithm>

namespace iommucheck::oracle::stories {

std::vector<std::string> shrink_lines(
    std::vector<std::string> lines,
    const std::function<bool(const std::vector<std::string>&)>& still_fails, u32 runs_max) {
  u32 runs = 0;
  const auto without = [&](std::size_t first, std::size_t count) {
    std::vector<std::string> rest(lines.begin(), lines.begin() + static_cast<long>(first));
    rest.insert(rest.end(), lines.begin() + static_cast<long>(first + count), lines.end());
    return rest;
  };
  for (std::size_t count = lines.size() / 2; count > 0;) {
    bool any = false;
    // From the end: what was made is used by lines behind it.
    for (std::size_t end = lines.size(); end > 1 && runs < runs_max;) {
      const std::size_t first = end > count ? std::max<std::size_t>(1, end - count) : 1;
      std::vector<std::string> rest = without(first, end - first);
      ++runs;
      if (still_fails(rest)) {
        lines = std::move(rest);
        any = true;
      }
      end = first;
    }
    if (runs >= runs_max) break;
    if (count > 1) {
      count /= 2;
    } else if (!any) {
      break;
    }
  }
  return lines;
}

}  // namespace iommucheck::oracle::stories
