// SPDX-License-Identifier: MIT
// Accesses of devices that are played here: the specification chooses what becomes of them.
#pragma once

#include <optional>

#include "monitor/register_events.h"

namespace iommucheck::oracle {

class DeviceAccesses : public RegisterEvents {
 public:
  /// A device's access: the specification chooses an outcome and records its event. Whether there
  /// was a record.
  /// `asked`: what a device that asks for pages says of the request if it makes one; else it is the
  /// only one of its group.
  bool device_access(const spec::Access& access, spec::Choices& choices,
                     std::optional<PageAsked> asked = {});

 protected:
  using RegisterEvents::RegisterEvents;

  void check_dma_duty(const spec::Access& access);

 private:
  bool one_access(const spec::Access& access, spec::Choices& choices,
                  std::optional<PageAsked> asked = {});
  bool passes_as_dirty(const spec::Access& access, spec::Outcome& outcome,
                       spec::Choices& choices) const;
  bool waits_for_room(const spec::Access& access);
  bool hardware_access(const spec::Access& access, spec::Choices& choices, PageAsked group);
  [[nodiscard]] std::optional<bool> privilege_of(const spec::Access& access) const;
};

}  // namespace iommucheck::oracle
