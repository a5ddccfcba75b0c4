// SPDX-License-Identifier: MIT
// Of which (device, PASID) the device's driver said "done": it uses the number no more.
#pragma once

#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

void say_done(InterfaceState& s, u32 device, u32 pasid);
void unsay_done(InterfaceState& s, u32 device, u32 pasid);
/// In `said_done`.
u64 key_of(u32 device, u32 pasid);

}  // namespace iommucheck::spec::sva
