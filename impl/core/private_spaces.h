// SPDX-License-Identifier: MIT
// Address spaces of devices' own at PASIDs: made, and led to from further devices. INTERFACE
// "Bind".
#pragma once

#include "base/types.h"
#include "impl/core/backend.h"

namespace iommucheck::impl {

class Batch;
class Binding;
class Devices;
class Domains;
class IoMms;
class SvaDevices;
class Unbinding;
class Uses;

class PrivateSpaces {
 public:
  struct Parts {
    Devices& devices;
    Domains& domains;
    SvaDevices& sva_devices;
    IoMms& io_mms;
    Uses& uses;
    Batch& batch;
    Binding& binding;
    Unbinding& unbinding;
  };
  PrivateSpaces(Backend& backend, const Parts& parts)
      : backend_(backend),
        devices_(parts.devices),
        domains_(parts.domains),
        sva_devices_(parts.sva_devices),
        io_mms_(parts.io_mms),
        uses_(parts.uses),
        batch_(parts.batch),
        binding_(parts.binding),
        unbinding_(parts.unbinding) {}

  // The calls of driver.h; results and errors as stated there.
  int alloc_private(iommucheck_handle domain, u32 device, iommucheck_handle* io_mm);
  int attach_private(iommucheck_handle io_mm, u32 device);
  int detach_private(iommucheck_handle io_mm, u32 device);

 private:
  int enter_private(iommucheck_handle io_mm, u32 device);

  Backend& backend_;
  Devices& devices_;
  Domains& domains_;
  SvaDevices& sva_devices_;
  IoMms& io_mms_;
  Uses& uses_;
  Batch& batch_;
  Binding& binding_;
  Unbinding& unbinding_;
};

}  // namespace iommucheck::impl
