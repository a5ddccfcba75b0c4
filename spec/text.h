// SPDX-License-Identifier: MIT
// Text for reports, without a library: the specification depends on the standard one only.
#pragma once

#include <string>
#include <string_view>

#include "base/types.h"

namespace iommucheck::spec {

/// "0x1f", lower case, no leading zeros.
inline std::string to_hex(u64 value) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  do {
    text.insert(text.begin(), digits[value & 15]);
    value >>= 4;
  } while (value != 0);
  return "0x" + text;
}

}  // namespace iommucheck::spec
