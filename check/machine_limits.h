// SPDX-License-Identifier: MIT
// How far what is asked for of a machine may go.
#pragma once

#include <cstddef>

#include "base/types.h"

namespace iommucheck::oracle::machine_limits {

inline constexpr std::size_t devices = 4;  ///< as many as an operation can name
inline constexpr u64 smmus = devices;
inline constexpr u32 queue_lg2 = 19;
inline constexpr u32 stream_bits = 20;      ///< of StreamIDs: a table for them fits the window
inline constexpr u32 drawn_pasid_bits = 8;  ///< of a device that is drawn
inline constexpr u32 group = 1000;
inline constexpr u32 low_memory_bits = 32;  ///< so many address bits have no memory but the low one

}  // namespace iommucheck::oracle::machine_limits
