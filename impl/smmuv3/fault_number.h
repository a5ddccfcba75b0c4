// SPDX-License-Identifier: MIT
// The number of a fault, by which it is answered: its stream, and above that whether it is a group
// of page requests; below, the STAG of a stall, or the index of a group. IHI 0070 7.3, 8.1.
#pragma once

#include "base/types.h"

namespace iommucheck::impl {

inline constexpr u64 is_request = u64{1} << 63;
inline constexpr unsigned stream_lsb = 16;

}  // namespace iommucheck::impl
