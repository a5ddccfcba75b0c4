// SPDX-License-Identifier: MIT
// The one symbol of the model as a shared object.
#include "impl/device/door.h"

extern "C" __attribute__((visibility("default"))) const iommucheck_dut* iommucheck_device_entry() {
  return iommucheck::device::door();
}
