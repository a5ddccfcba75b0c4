// SPDX-License-Identifier: MIT
// Who is on which domain: attach, detach, devices that come and go. INTERFACE "Attach", "Timeouts
// and removal".
#pragma once

#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

Permitted permitted_attach(const InterfaceState& s, const Call& call, Circumstances around);
void begin_attach(const InterfaceState& s, const Call& call, Pending& pending);
void apply_attach(InterfaceState& s, const Call& call, Status status);
Permitted permitted_detach(const InterfaceState& s, const Call& call, Circumstances around);
void begin_detach(const InterfaceState& s, const Call& call, Pending& pending);
void apply_detach(InterfaceState& s, const Call& call, Status status);
void device_added(InterfaceState& s, u32 device);
void device_removed(InterfaceState& s, u32 device, bool timed_out);

}  // namespace iommucheck::spec::sva
