// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "base/types.h"

namespace iommucheck {

/// FNV-1a, 64 bits: a number for a name or text that is the same on every machine and in every
/// version.
constexpr u64 fnv1a(std::string_view text) {
  u64 hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<u8>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace iommucheck
