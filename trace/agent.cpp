// SPDX-License-Identifier: MIT
#include "trace/agent.h"

#include <array>
#include <charconv>

namespace iommucheck::trace {
namespace {

constexpr std::array<std::string_view, 3> prefixes{"cpu", "smmu", "device"};
constexpr std::array<std::string_view, outside_agents> outside_names{"environment", "guest", "user",
                                                                     "gpu"};

}  // namespace

std::string to_string(AgentId agent) {
  const u16 number = agent_number(agent);
  if (agent_kind(agent) == AgentKind::outside) {
    return number < outside_agents ? std::string(outside_names[number])
                                   : "outside" + std::to_string(number);
  }
  std::string text(prefixes[static_cast<u16>(agent_kind(agent))]);
  return text + (number == agent_unknown_number ? "?" : std::to_string(number));
}

std::optional<AgentId> agent_from_string(std::string_view text) {
  for (u16 i = 0; i < outside_agents; ++i) {
    if (text == outside_names[i]) return make_agent(AgentKind::outside, i);
  }
  for (u16 kind = 0; kind < prefixes.size(); ++kind) {
    if (!text.starts_with(prefixes[kind])) continue;
    const std::string_view digits = text.substr(prefixes[kind].size());
    if (digits == "?") return make_agent(AgentKind{kind}, agent_unknown_number);
    unsigned number = 0;
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    const bool canonical = digits.size() == 1 || !digits.starts_with('0');
    if (code == std::errc{} && end == digits.data() + digits.size() && canonical &&
        number < agent_unknown_number) {
      return make_agent(AgentKind{kind}, static_cast<u16>(number));
    }
  }
  return std::nullopt;
}

}  // namespace iommucheck::trace
