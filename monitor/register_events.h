// SPDX-License-Identifier: MIT
// Registers, commands that a recording shows, and what the SMMU tells by interrupts.
#pragma once

#include <optional>

#include "monitor/memory_events.h"

namespace iommucheck::oracle {

class RegisterEvents : public MemoryEvents {
 public:
  void mmio_write(AgentId by, u32 offset, unsigned size, u64 value, bool ordered);
  /// The device answered `value`.
  void mmio_read(AgentId by, u32 offset, unsigned size, u64 value);
  /// The specification answers, by `choices`; the event is recorded with the answer.
  u64 device_read(AgentId by, u32 offset, unsigned size, spec::Choices& choices);
  void command_consumed(u32 slot, const std::optional<spec::CommandWords>& words);
  /// An interrupt of the SMMU reaches the driver: one of IOMMUCHECK_IRQ_*.
  void irq(AgentId by, u32 source);
  /// The command queue stops, or goes on.
  void queue_stuck(bool stuck);

 protected:
  using MemoryEvents::MemoryEvents;

  void interrupt_of_event_queue();
  void interrupt_of_page_queue();
  void interrupt_of_sync();
  void interrupt_of_error();
};

}  // namespace iommucheck::oracle
