// SPDX-License-Identifier: MIT
// The one symbol of the driver built as a plug-in.
#include "impl/driver.h"

const iommucheck_driver* iommucheck_driver_entry(void) {
  return iommucheck::impl::builtin_driver();
}
