// SPDX-License-Identifier: MIT
// Names for the widths that the architecture speaks in, and for the identifiers that must not mix.
#pragma once

#include <cstddef>
#include <cstdint>

namespace iommucheck {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;

/// Number of an event in its trace, from 0. Time is this number and nothing else.
using EventIndex = u32;

/// Who did something: a CPU or thread, the SMMU, a device, the environment.
enum class AgentId : u16 { cpu0 = 0 };

}  // namespace iommucheck
