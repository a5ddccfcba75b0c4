// SPDX-License-Identifier: MIT
// Who did it. AgentId carries a kind in its two top bits and a number below them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"

namespace iommucheck::trace {

enum class AgentKind : u16 {
  cpu = 0,      ///< a CPU or a thread: "cpu3"
  smmu = 1,     ///< an SMMU: "smmu0"
  device = 2,   ///< a device behind it, numbered as in the header's `devices`: "device1"
  outside = 3,  ///< "environment" (OS outside of the driver), "guest", "user", "gpu"
};

/// The largest number of an agent within its kind. For a CPU it means "some CPU, the source does
/// not say which": "cpu?"; for a device likewise: "device?".
inline constexpr u16 agent_unknown_number = 0x3fff;

constexpr AgentId make_agent(AgentKind kind, u16 number) {
  return AgentId{static_cast<u16>((static_cast<unsigned>(kind) << 14) | (number & 0x3fffU))};
}
constexpr AgentId cpu_agent(u16 number) { return make_agent(AgentKind::cpu, number); }
constexpr AgentId smmu_agent(u16 number = 0) { return make_agent(AgentKind::smmu, number); }
constexpr AgentId device_agent(u16 number) { return make_agent(AgentKind::device, number); }
inline constexpr AgentId unknown_cpu_agent = cpu_agent(agent_unknown_number);
inline constexpr AgentId unknown_device_agent = device_agent(agent_unknown_number);
inline constexpr AgentId environment_agent = make_agent(AgentKind::outside, 0);
inline constexpr u16 outside_agents = 4;

constexpr AgentKind agent_kind(AgentId agent) {
  return static_cast<AgentKind>(static_cast<u16>(agent) >> 14);
}
constexpr u16 agent_number(AgentId agent) {
  return static_cast<u16>(static_cast<u16>(agent) & 0x3fffU);
}
/// False only for numbers of "outside" that have no name.
constexpr bool agent_exists(AgentId agent) {
  return agent_kind(agent) != AgentKind::outside || agent_number(agent) < outside_agents;
}

/// "cpu0", "cpu?", "smmu0", "device2", "environment", "guest", "user", "gpu".
std::string to_string(AgentId agent);
/// The inverse of to_string; nothing for any other text.
std::optional<AgentId> agent_from_string(std::string_view text);

}  // namespace iommucheck::trace
