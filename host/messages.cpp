// SPDX-License-Identifier: MIT
// A driver that waits for the message of a CMD_SYNC looks at memory: at what it loads through the
// platform, or at the window itself, which nobody sees. Of a message that came while it waited and
// behind which it goes on with something else, without a load that was told, it is taken that it
// has seen it: a mistake may be missed by that, but none is made up. One that waits for the
// interrupt of a CMD_SYNC is told by handle_irq.
#include <utility>

#include "host/driver_host.h"

namespace iommucheck::oracle {

void DriverHost::looks_at(u64 pa, u64 bytes) {
  if (abandoned_ || !monitor_.is_message_word(pa, bytes)) return;
  unseen_messages_.clear();
  tells_loads_ = true;
  monitor_.look_for_messages(*choices_);
  stops_where_it_is_to();
}

void DriverHost::waits_for_messages() {
  unseen_messages_.clear();  // it waits on
  if (abandoned_ || !monitor_.awaits_messages()) return;
  Monitor::Messages came = monitor_.look_for_messages(*choices_);
  stops_where_it_is_to();
  if (!tells_loads_) unseen_messages_ = std::move(came);
}

/// It comes in the middle of the wait, as it would on the processor that waits.
void DriverHost::waits_for_interrupt(u32 iommu) {
  if (abandoned_ || driver_.handle_irq == nullptr || iommu >= monitor_.smmu_count()) return;
  const bool comes = monitor_.look_for_interrupt(iommu, *choices_);
  stops_where_it_is_to();
  if (!comes) return;
  const u64 source = IOMMUCHECK_OF_IOMMU(iommu, IOMMUCHECK_IRQ_COMMAND_SYNC);
  monitor_.irq(AgentId::cpu0, source);
  driver_.handle_irq(state_, source);
}

void DriverHost::takes_messages_as_seen() {
  for (const auto& message : std::exchange(unseen_messages_, {})) {
    monitor_.load(AgentId::cpu0, message.pa, 4, message.data, false);
  }
}

}  // namespace iommucheck::oracle
