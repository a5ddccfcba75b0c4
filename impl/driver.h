// SPDX-License-Identifier: MIT
// The project's own SMMUv3 driver, through the door that every driver has.
#pragma once

#include <string_view>

#include "include/iommucheck/driver.h"

namespace iommucheck::impl {

/// Never null; lives as long as the program.
/// PASID tables belong to domains: "builtin".
const iommucheck_driver* builtin_driver();
/// The same with tables that belong to devices: "builtin-per-device".
const iommucheck_driver* builtin_driver_per_device();
/// The one of that name; null if it is neither's.
const iommucheck_driver* builtin_driver(std::string_view name);

}  // namespace iommucheck::impl
