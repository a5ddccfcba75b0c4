// SPDX-License-Identifier: MIT
// By which numbers the users of outer domains call devices. Each is in the list of its domain, and
// there is one of a device, and one with a number, in each.
#pragma once

#include "base/types.h"
#include "impl/core/domain.h"
#include "impl/platform/platform.h"
#include "impl/platform/pool.h"

namespace iommucheck::impl {

class VirtualDevices {
 public:
  VirtualDevice* find(iommucheck_handle handle) { return virtual_devices_.find(handle); }
  VirtualDevice* allocate(const Platform& platform) { return virtual_devices_.allocate(platform); }
  /// It joins the list of its domain.
  void add(Domain& parent, VirtualDevice& its) {
    parent.virtual_devices.add(virtual_devices_, its);
  }
  void remove(Domain& parent, VirtualDevice& its) {
    parent.virtual_devices.remove(virtual_devices_, its);
    virtual_devices_.release(its);
  }
  void shutdown() {
    virtual_devices_.for_each_used([&](VirtualDevice& its) { virtual_devices_.release(its); });
  }

 private:
  Pool<VirtualDevice> virtual_devices_;
};

}  // namespace iommucheck::impl
