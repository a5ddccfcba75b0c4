// SPDX-License-Identifier: MIT
// What each call asks of the device that it names. INTERFACE "Errors and their order".
#pragma once

#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

void judge_device(const InterfaceState& s, const Call& call, Permitted& set);

Range device_range(const InterfaceState& s, u32 device, u32 min, u32 max);

}  // namespace iommucheck::spec::sva
