// SPDX-License-Identifier: MIT
// The project's own SMMUv3 driver, through the door that every driver has.
#pragma once

#include "include/iommucheck/driver.h"

namespace iommucheck::impl {

/// Never null; lives as long as the program.
const iommucheck_driver* builtin_driver();

}  // namespace iommucheck::impl
