// SPDX-License-Identifier: MIT
// Linux's errno names: "EINVAL" is 22.
#pragma once

#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

namespace iommucheck {

/// The number of any errno name of Linux, second names and those that stay inside of the kernel
/// included.
inline std::optional<int> errno_number(std::string_view name) {
  constexpr std::pair<std::string_view, int> others[] = {
      {"EWOULDBLOCK", 11},     {"EDEADLOCK", 35},    {"ENOTSUP", 95},       {"ERESTARTSYS", 512},
      {"ERESTARTNOINTR", 513}, {"ENOIOCTLCMD", 515}, {"EPROBE_DEFER", 517}, {"ENOTSUPP", 524}};
  for (const auto& [other, number] : others) {
    if (other == name) return number;
  }
  constexpr int last = 133;  // EHWPOISON
  for (int number = 1; number <= last; ++number) {
    const char* known = strerrorname_np(number);
    if (known != nullptr && known == name) return number;
  }
  return std::nullopt;
}

}  // namespace iommucheck
