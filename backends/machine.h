// SPDX-License-Identifier: MIT
// A backend of the core together with the hardware that it drives, as a model that knows every
// answer an access may get.
#pragma once

#include "base/types.h"
#include "iommucheck/driver.h"
#include "monitor/hardware.h"

namespace iommucheck::impl {
class Backend;
}

namespace iommucheck::oracle {

class BackendMachine : public Hardware {
 public:
  /// Its caches hold that nothing is mapped, and the backend knows that.
  [[nodiscard]] virtual bool remembers_unmapped() const = 0;
  /// Whether faults at an entry wait for each device as it can.
  [[nodiscard]] virtual bool devices_wait_alone() const = 0;
  /// The hardware, powered on. False: it cannot be. `process_pa`: memory of the processes' own,
  /// behind the driver's.
  virtual bool power_on(u64 process_pa, u64 process_bytes) = 0;
  /// The backend over hardware that is powered on; null: it cannot be. Both outlive it.
  virtual impl::Backend* start(const iommucheck_platform& platform,
                               const iommucheck_config& config) = 0;
};

}  // namespace iommucheck::oracle
