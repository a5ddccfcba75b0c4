// SPDX-License-Identifier: MIT
// attach_pasid, detach_pasid: what they answer, and what their answers make. INTERFACE "Attach".
#pragma once

#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

Permitted permitted_attach_pasid(const InterfaceState& s, const Call& call, Circumstances around);
void begin_attach_pasid(const InterfaceState& s, const Call& call, Pending& pending);
void apply_attach_pasid(InterfaceState& s, const Call& call, Status status);
Permitted permitted_detach_pasid(const InterfaceState& s, const Call& call, Circumstances around);
void begin_detach_pasid(const InterfaceState& s, const Call& call, Pending& pending);
void apply_detach_pasid(InterfaceState& s, const Call& call, Status status);

}  // namespace iommucheck::spec::sva
