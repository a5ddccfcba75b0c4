// SPDX-License-Identifier: MIT
#pragma once

#include <charconv>
#include <string>

#include "base/types.h"

namespace iommucheck {

/// "0x1f00".
inline std::string hex(u64 value) {
  char text[16];
  const auto end = std::to_chars(text, text + sizeof(text), value, 16).ptr;
  return "0x" + std::string(text, end);
}

}  // namespace iommucheck
