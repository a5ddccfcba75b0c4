// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include "conform/dut/device.h"

namespace iommucheck::oracle {

/// The file of known divergences that comes with the program for the device: beside the installed
/// program, or in the tree that it was built of. Empty: there is none.
std::string default_known(const DeviceIdentity& identity);

}  // namespace iommucheck::oracle
