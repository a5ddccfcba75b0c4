// SPDX-License-Identifier: MIT
// A device under test as the machine that a driver meets in lockstep with the specification.
#pragma once

#include "base/error.h"
#include "check/machine.h"
#include "check/place.h"
#include "conform/dut/device.h"

namespace iommucheck::oracle {

struct DeviceMachine {
  Machine machine;
  MemoryPlace place;
};

/// Its ID registers, and its engines as devices, as far as they can send what a driver would
/// allow: PASIDs, and ATS; none stalls or asks for pages. unsupported, where the specification has
/// not got what it claims; bad_input, where its memory is too small for a driver.
Expected<DeviceMachine> machine_of(const DeviceIdentity& device);

}  // namespace iommucheck::oracle
