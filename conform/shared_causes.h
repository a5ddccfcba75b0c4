// SPDX-License-Identifier: MIT
// New findings of a run by what makes them right; then what hides behind that.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "conform/asked_device.h"
#include "conform/causes.h"
#include "conform/run_findings.h"

namespace iommucheck::oracle {

class SharedCauses {
 public:
  SharedCauses(AskedDevice& device, RunFindings& findings, const DeviceIdentity& identity,
               std::function<bool()> stopped)
      : device_(device), findings_(findings), identity_(identity), stopped_(std::move(stopped)) {}

  /// Says of each new finding what makes it right, if anything does.
  Expected<std::vector<CauseGroup>> find();
  /// The directed cases once more with all that was found to make findings right.
  Expected<void> look_behind(const std::vector<CauseGroup>& groups);

 private:
  AskedDevice& device_;
  RunFindings& findings_;
  const DeviceIdentity& identity_;
  std::function<bool()> stopped_;
};

}  // namespace iommucheck::oracle
