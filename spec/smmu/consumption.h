// SPDX-License-Identifier: MIT
// As a device: which commands are consumed at which look, of the driver at CMDQ_CONS or at what
// messages write, and which the device refuses. Choices say so, or a pace and stops that somebody
// gave. It never consumes past a stop, and refuses none that the driver knows to be consumed.
#pragma once

#include <optional>

#include "spec/smmu/refusals.h"

namespace iommucheck::spec {

class Consumption {
 public:
  Consumption(const ControlRegisters& controls, GlobalErrors& errors, Progress& progress,
              CommandStops& stops, CommandQueue& queue, const Refusals& refusals,
              SyncMessages& messages, SyncInterrupts& interrupts)
      : controls_(controls),
        errors_(errors),
        progress_(progress),
        stops_(stops),
        queue_(queue),
        refusals_(refusals),
        messages_(messages),
        interrupts_(interrupts) {}

  /// Commands may be refused that are legal, CERROR_ABT and CERROR_ATC_INV_SYNC.
  void draw_errors() { draws_errors_ = true; }
  /// The driver looks at CMDQ_CONS.
  void look(Choices& choices);
  /// Consumes as at a look at CMDQ_CONS, of which the driver sees the messages alone.
  void look_unseen(Choices& choices);
  std::optional<SyncMessages::Write> due_message(Choices& choices) {
    return messages_.due(done(), !progress_.has_pace(), choices);
  }
  bool due_interrupt(Choices& choices) {
    return interrupts_.due(done(), queue_.consumed_total(), !progress_.has_pace(), choices);
  }

 private:
  bool draw_error(Choices& choices);
  u64 commands_of_look(Choices& choices);
  bool refuse_sync(u64 commands);
  [[nodiscard]] u64 done() const { return queue_.consumed_total() + queue_.ahead(); }

  const ControlRegisters& controls_;
  GlobalErrors& errors_;
  Progress& progress_;
  CommandStops& stops_;
  CommandQueue& queue_;
  const Refusals& refusals_;
  SyncMessages& messages_;
  SyncInterrupts& interrupts_;
  bool draws_errors_ = false;
};

}  // namespace iommucheck::spec
