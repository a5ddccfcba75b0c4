// SPDX-License-Identifier: MIT
// sva_alloc_pasid, sva_free_pasid, io_mm_get_pasid, sva_attach, sva_detach: what they answer, and
// what their answers make. INTERFACE "Bind", "Free".
#pragma once

#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

Permitted permitted_alloc_private(const InterfaceState& s, const Call& call, Circumstances around);
void begin_alloc_private(const InterfaceState& s, const Call& call, Pending& pending);
void apply_alloc_private(InterfaceState& s, const Call& call, const Observed& observed);
Permitted permitted_free_private(const InterfaceState& s, const Call& call, Circumstances around);
void begin_free_private(const InterfaceState& s, const Call& call, Pending& pending);
void apply_free_private(InterfaceState& s, const Call& call, Status status);
Permitted permitted_get_pasid(const InterfaceState& s, const Call& call);
void apply_get_pasid(InterfaceState& s, const Call& call, const Observed& observed);
Permitted permitted_link(const InterfaceState& s, const Call& call, Circumstances around);
void begin_link(const InterfaceState& s, const Call& call, Pending& pending);
void apply_link(InterfaceState& s, const Call& call, Status status);

}  // namespace iommucheck::spec::sva
