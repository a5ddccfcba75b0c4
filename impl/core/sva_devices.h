// SPDX-License-Identifier: MIT
// What sva_device_init asked for of each device, and the lists of what it has: bonds, private
// address spaces, what stands in a table of its own.
#pragma once

#include "base/types.h"
#include "impl/core/backend.h"
#include "impl/core/devices.h"
#include "impl/core/objects.h"
#include "impl/platform/platform.h"

namespace iommucheck::impl {

class SvaDevices {
 public:
  SvaDevices(const Backend& backend, Devices& devices) : backend_(backend), devices_(devices) {}

  /// False: no memory.
  bool create(const Platform& platform);
  void shutdown();

  /// As stated in driver.h.
  int device_init(u32 device, u32 features, u32 min, u32 max, bool has_mm_exit);

  u32 count() const { return devices_.count(); }
  SvaDevice& operator[](u32 device) { return sva_devices_[device]; }
  const SvaDevice& operator[](u32 device) const { return sva_devices_[device]; }
  /// By sva_device_init.
  bool has_asked_for_faults(u32 device) const {
    const SvaDevice& sva = sva_devices_[device];
    return sva.ready && (sva.features & IOMMUCHECK_SVA_IOPF) != 0;
  }
  /// Whether any bond of the device has one.
  bool has_fault_handler(u32 device) const { return sva_devices_[device].fault_handlers != 0; }

 private:
  const Backend& backend_;
  Devices& devices_;
  SvaDevice* sva_devices_ = nullptr;
};

}  // namespace iommucheck::impl
