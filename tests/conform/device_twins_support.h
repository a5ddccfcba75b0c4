// SPDX-License-Identifier: MIT
// The fast model with mistakes of tests/device_twins/*.mutants woven in, and what found.list says
// of each.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "conform/conform.h"
#include "tests/places.h"

namespace iommucheck::oracle {

struct DeviceTwin {
  std::string id;
  u64 seed = 0;  ///< of the machine
  std::string rule;
  std::size_t kinds = 0;  ///< in a run of all cases
  std::string only;       ///< the directed case; or why it is not found
};

/// "id | seed | RULE | kinds | case", or "id | not found | reason".
std::vector<DeviceTwin> listed_twins();

/// The machine of that seed with the mistake switched on, or with none.
class MistakenMachine {
 public:
  MistakenMachine(const std::string& id, u64 seed) {
    ::setenv("IOMMUCHECK_MUTANT", id.c_str(), 1);
    device_ = open_device(test::in_build("devices/mistaken_smmu.so"), seed, 5);
  }
  MistakenMachine(const MistakenMachine&) = delete;
  MistakenMachine& operator=(const MistakenMachine&) = delete;
  ~MistakenMachine() { ::unsetenv("IOMMUCHECK_MUTANT"); }
  Expected<ConformResult> run(const ConformOptions& options) {
    if (!device_) return std::unexpected(device_.error());
    return run_conform(**device_, options);
  }

 private:
  Expected<std::unique_ptr<DeviceUnderTest>> device_ = nullptr;
};

}  // namespace iommucheck::oracle
