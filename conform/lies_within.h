// SPDX-License-Identifier: MIT
#pragma once

#include "base/types.h"

namespace iommucheck::oracle {

/// [pa, pa + bytes) in [first, first + size).
constexpr bool lies_within(u64 pa, u64 bytes, u64 first, u64 size) {
  return pa - first < size && bytes <= size - (pa - first);
}

}  // namespace iommucheck::oracle
