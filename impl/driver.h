// SPDX-License-Identifier: MIT
// The project's own SMMUv3 driver, through the door that every driver has.
#pragma once

#include <string_view>

#include "include/iommucheck/driver.h"

namespace iommucheck::impl {

class Backend;

/// Never null; lives as long as the program.
/// PASID tables belong to domains: "builtin".
const iommucheck_driver* builtin_driver();
/// The same with tables that belong to devices: "builtin-per-device".
const iommucheck_driver* builtin_driver_per_device();
/// The one of that name; null if it is neither's.
const iommucheck_driver* builtin_driver(std::string_view name);

/// What does not hold of the state of one of these, between calls; null: all of it does. For tests.
const char* inconsistency(void* self);

/// The operations of a core over any backend, for what make_core() gives. `init` is null.
const iommucheck_driver* core_operations(bool per_device_tables);
/// In the platform's arena; platform, config and backend outlive it. 0; ENOMEM, or what the
/// backend's probe() says.
int make_core(const iommucheck_platform& platform, const iommucheck_config& config,
              Backend& backend, bool per_device_tables, void** self);

}  // namespace iommucheck::impl
