// SPDX-License-Identifier: MIT
// Which devices reach a private space. INTERFACE "Bind".
#pragma once

#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

void add_link(InterfaceState& s, u32 space, u32 device, bool doubtful);
void drop_link(InterfaceState& s, u32 space, u32 device);

}  // namespace iommucheck::spec::sva
