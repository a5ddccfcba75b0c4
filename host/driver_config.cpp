// SPDX-License-Identifier: MIT
#include "host/driver_config.h"

#include <algorithm>

namespace iommucheck::oracle {

namespace {

constexpr u32 group_alone = u32{1} << 16;

}  // namespace

DriverConfig::DriverConfig(std::span<const spec::sva::DeviceSetup> devices) {
  for (const spec::sva::DeviceSetup& its : devices) {
    iommucheck_device device{};
    device.size = sizeof(device);
    device.abi = IOMMUCHECK_DRIVER_ABI;
    device.stream_ids = its.stream_ids.data();
    device.stream_id_count = static_cast<u32>(its.stream_ids.size());
    device.flags = (its.svm ? 0 : IOMMUCHECK_DEVICE_NO_SVM) |
                   (its.explicit_maps ? 0 : IOMMUCHECK_DEVICE_NO_EXPLICIT) |
                   (its.ats ? IOMMUCHECK_DEVICE_ATS : 0) | (its.pri ? IOMMUCHECK_DEVICE_PRI : 0) |
                   (its.stall ? IOMMUCHECK_DEVICE_STALL : 0);
    device.ssid_bits = its.ssid_bits;
    const bool alone = its.group == spec::sva::DeviceSetup::alone;
    device.iommu = its.iommu_number;
    device.group = alone ? group_alone + static_cast<u32>(devices_.size()) : its.group;
    devices_.push_back(device);
  }
  for (const iommucheck_device& device : devices_) list_.push_back(&device);
  config_.size = sizeof(config_);
  config_.abi = IOMMUCHECK_DRIVER_ABI;
  config_.devices = list_.data();
  config_.device_count = static_cast<u32>(devices_.size());
  config_.iommu_count = 1;
  for (const iommucheck_device& device : devices_) {
    config_.iommu_count = std::max(config_.iommu_count, device.iommu + 1);
  }
}

void DriverConfig::set_hooks(const spec::sva::Hooks& has) {
  set_flag((has.mm_alloc ? 0 : IOMMUCHECK_CONFIG_NO_MM_ALLOC) |
           (has.mm_free ? 0 : IOMMUCHECK_CONFIG_NO_MM_FREE) |
           (has.mm_attach ? 0 : IOMMUCHECK_CONFIG_NO_MM_ATTACH) |
           (has.mm_detach ? 0 : IOMMUCHECK_CONFIG_NO_MM_DETACH));
}

}  // namespace iommucheck::oracle
