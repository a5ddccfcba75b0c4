// SPDX-License-Identifier: MIT
#include "spec/sva/devices.h"

#include <algorithm>

#include "spec/sva/nested.h"

namespace iommucheck::spec::sva {

/// INTERFACE "Errors and their order": device gone or without IOMMU.
void judge_device(const InterfaceState& s, const Call& call, Permitted& set) {
  if (!s.device_exists(call.device)) {
    set.add(Reason::no_such_device);
  } else if (!s.constants[call.device].iommu) {
    set.add(Reason::no_iommu_behind_the_device);
  }
}

namespace {

/// The parent says it of a user's domain.
u32 whose_iommu_counts(const InterfaceState& s, u32 domain) {
  const u32 parent = parent_of(s, domain);
  return parent != 0 ? parent : domain;
}

}  // namespace

bool is_behind_another_iommu(const InterfaceState& s, u32 domain, u32 device) {
  if (domain == 0 || !s.several_iommus) return false;
  const u32 iommu = s.spaces[whose_iommu_counts(s, domain)].iommu;
  return iommu != 0 && iommu != s.constants[device].iommu_number + 1;
}

void belongs_to_iommu_of(InterfaceState& s, u32 domain, u32 device) {
  const u32 whose = whose_iommu_counts(s, domain);
  if (s.spaces[whose].iommu != 0) return;
  s.spaces.edit(s.trail, whose).iommu = s.constants[device].iommu_number + 1;
}

/// INTERFACE "PASID numbers": the range of sva_device_init is clipped.
Range device_range(const InterfaceState& s, u32 device, u32 min, u32 max) {
  const u32 bits = s.constants[device].ssid_bits;
  if (bits == 0) return {};
  const u32 limit = std::min(u32{1} << std::min(bits, 20U), pasid_limit) - 1;
  return {std::max(min, s.keeps_pasid_0 ? 1U : 0U), max == 0 ? limit : std::min(max, limit)};
}

}  // namespace iommucheck::spec::sva
