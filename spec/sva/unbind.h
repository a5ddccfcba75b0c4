// SPDX-License-Identifier: MIT
// unbind_device, unbind_dev_all: what they answer, and what their answers make. INTERFACE "Bind",
// "Exit".
#pragma once

#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

Permitted permitted_unbind(const InterfaceState& s, const Call& call, Circumstances around,
                           const Pending* begun);
/// The same of a token's reference, which is given back whatever is left of the bond.
Permitted permitted_drop(const InterfaceState& s, const Call& call, Circumstances around,
                         const Pending* begun);
void begin_unbind(const InterfaceState& s, const Call& call, Pending& pending);
void apply_unbind(InterfaceState& s, const Call& call, Status status);
Permitted permitted_unbind_all(const InterfaceState& s, const Call& call, Circumstances around);
void begin_unbind_all(const InterfaceState& s, const Call& call, Pending& pending);
void apply_unbind_all(InterfaceState& s, const Call& call, Status status);

}  // namespace iommucheck::spec::sva
