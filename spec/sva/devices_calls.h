// SPDX-License-Identifier: MIT
// sva_device_init and its end. INTERFACE "sva_device_init".
#pragma once

#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

Permitted permitted_init(const InterfaceState& s, const Call& call, Circumstances around);
void apply_init(InterfaceState& s, const Call& call, Status status);
Permitted permitted_shutdown(const InterfaceState& s, const Call& call, Circumstances around);
void begin_shutdown(const InterfaceState& s, const Call& call, Pending& pending);
void apply_shutdown(InterfaceState& s, const Call& call, Status status);

}  // namespace iommucheck::spec::sva
