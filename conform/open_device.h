// SPDX-License-Identifier: MIT
// Devices under test by their names.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/error.h"
#include "conform/dut/device.h"
#include "spec/smmu/profile.h"
#include "spec/smmu/registers.h"

namespace iommucheck::oracle {

/// What somebody states of a device: beyond its ID registers, and what these are with that.
struct DeviceStatement {
  spec::Profile profile;
  spec::IdRegisters id;
};
using Stating = std::function<Expected<DeviceStatement>(const spec::IdRegisters&)>;

/// The device that the option names. The specification has what is stated, ID registers too;
/// another device that has other ones is refused. Errors: bad_input, environment.
Expected<std::unique_ptr<DeviceUnderTest>> open_device(const std::string& name, u64 seed,
                                                       double hang_seconds = 5,
                                                       const Stating& states = {});

}  // namespace iommucheck::oracle
