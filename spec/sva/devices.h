// SPDX-License-Identifier: MIT
// What each call asks of the device that it names. INTERFACE "Errors and their order".
#pragma once

#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

void judge_device(const InterfaceState& s, const Call& call, Permitted& set);

/// The domain is for devices of another IOMMU than that behind the device.
bool is_behind_another_iommu(const InterfaceState& s, u32 domain, u32 device);

/// Unless its caller has said for which it is, the domain is for that of its first device.
void belongs_to_iommu_of(InterfaceState& s, u32 domain, u32 device);

Range device_range(const InterfaceState& s, u32 device, u32 min, u32 max);

}  // namespace iommucheck::spec::sva
