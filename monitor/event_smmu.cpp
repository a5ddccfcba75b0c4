// SPDX-License-Identifier: MIT
#include "monitor/event_smmu.h"

#include "trace/agent.h"

namespace iommucheck::oracle {

std::optional<u32> named_smmu(const trace::Event& event) {
  return trace::visit(
      [](const auto& payload) -> std::optional<u32> {
        if constexpr (requires { payload.iommu.has_value(); }) {
          return payload.iommu;
        } else {
          return std::nullopt;
        }
      },
      event.payload);
}

bool is_of_an_smmu(const trace::Event& event) {
  const trace::Side side = trace::info(trace::kind_of(event)).side;
  return side == trace::Side::driver_registers || side == trace::Side::device_iommu ||
         side == trace::Side::iommu_out ||
         trace::agent_kind(event.agent) == trace::AgentKind::smmu || named_smmu(event);
}

void name_smmu(trace::Event& event, u32 number) {
  if (trace::agent_kind(event.agent) == trace::AgentKind::smmu) {
    event.agent = trace::smmu_agent(static_cast<u16>(number));
  }
  trace::visit(
      [&](auto& payload) {
        if constexpr (requires { payload.iommu.has_value(); }) {
          payload.iommu = number == 0 ? std::nullopt : std::optional(number);
        }
      },
      event.payload);
}

}  // namespace iommucheck::oracle
