// SPDX-License-Identifier: MIT
// Drivers and devices for tests of what stands between them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "conform/conform.h"
#include "conform/dut/spec_device.h"
#include "matrix/driver_cases.h"

namespace iommucheck::oracle {

/// A plug-in of tests/plugins by its name.
std::string test_plugin(const std::string& name);

/// A run of so many sequences.
DriverRun driver_run(const std::string& driver, u64 sequences, u64 seed = 1);

/// What the device does in these cases, with nothing known and no causes looked for.
ConformOptions options_with(const std::vector<Case>& cases);

/// The specification as a device that counts what becomes of accesses.
class CountingDevice final : public SpecDevice {
 public:
  using SpecDevice::SpecDevice;
  u64 translated = 0, terminated = 0;

 protected:
  std::optional<spec::Outcome> outcome_of(spec::Access& access) override;
};

}  // namespace iommucheck::oracle
