// SPDX-License-Identifier: MIT
#include "spec/sva/devices.h"

#include <algorithm>

namespace iommucheck::spec::sva {

/// INTERFACE "Errors and their order": device gone or without IOMMU.
void judge_device(const InterfaceState& s, const Call& call, Permitted& set) {
  if (!s.device_exists(call.device)) {
    set.add(Reason::no_such_device);
  } else if (!s.constants[call.device].iommu) {
    set.add(Reason::no_iommu_behind_the_device);
  }
}

/// INTERFACE "PASID numbers": the range of sva_device_init is clipped.
Range device_range(const InterfaceState& s, u32 device, u32 min, u32 max) {
  const u32 bits = s.constants[device].ssid_bits;
  if (bits == 0) return {};
  const u32 limit = std::min(u32{1} << std::min(bits, 20U), pasid_limit) - 1;
  return {std::max(min, s.keeps_pasid_0 ? 1U : 0U), max == 0 ? limit : std::min(max, limit)};
}

}  // namespace iommucheck::spec::sva
