// SPDX-License-Identifier: MIT
// Runs the steps of a case on a device.
#pragma once

#include "conform/case.h"
#include "conform/run.h"

namespace iommucheck::oracle {

/// Errors: environment: the device cannot be brought back.
Expected<Run> run_case(DeviceUnderTest& device, const Case& what);

}  // namespace iommucheck::oracle
