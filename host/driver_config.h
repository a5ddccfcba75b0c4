// SPDX-License-Identifier: MIT
// What a driver is told of its devices and of the machine, in the structs of driver.h.
#pragma once

#include <span>
#include <vector>

#include "iommucheck/driver.h"
#include "spec/sva/setup.h"

namespace iommucheck::oracle {

class DriverConfig {
 public:
  /// `devices` outlive it.
  explicit DriverConfig(std::span<const spec::sva::DeviceSetup> devices);
  DriverConfig(const DriverConfig&) = delete;
  DriverConfig& operator=(const DriverConfig&) = delete;

  /// The backend has these hooks, and no others.
  void set_hooks(const spec::sva::Hooks& has);
  void set_flag(u64 flag) { config_.flags |= flag; }
  void set_command_queue(u32 log2size) { config_.cmdq_log2size = log2size; }

  [[nodiscard]] const iommucheck_config& get() const { return config_; }
  [[nodiscard]] u32 device_count() const { return config_.device_count; }

 private:
  std::vector<iommucheck_device> devices_;
  std::vector<const iommucheck_device*> list_;
  iommucheck_config config_{};
};

}  // namespace iommucheck::oracle
