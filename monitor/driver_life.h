// SPDX-License-Identifier: MIT
// The driver's life: its start, its end, and what it must have given back by then.
#pragma once

#include <string>

#include "monitor/processes.h"

namespace iommucheck::oracle {

class DriverLife : public EnvironmentEvents {
 public:
  void driver_begins();
  void driver_stops();
  void driver_ready();
  void driver_error(const std::string& text);
  void hangs();
  /// At the end of its life: blocks of table memory, and pins of processes' ASIDs (no event tells
  /// of these), that it did not give back.
  void account(u64 blocks_held, u64 pins_held = 0);
  /// What the driver itself counts is what the interface says is held.
  void driver_holds(const trace::Held& held);
  void note(const std::string& text);

 protected:
  using EnvironmentEvents::EnvironmentEvents;

 private:
  void check_shut_down();
};

}  // namespace iommucheck::oracle
