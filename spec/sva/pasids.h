// SPDX-License-Identifier: MIT
// pasid_alloc, pasid_free. INTERFACE "PASID numbers".
#pragma once

#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

Permitted permitted_pasid_alloc(const InterfaceState& s, const Call& call, Circumstances around);
void apply_pasid_alloc(InterfaceState& s, const Observed& observed);
Permitted permitted_pasid_free(const InterfaceState& s, const Call& call, Circumstances around);
void apply_pasid_free(InterfaceState& s, const Call& call, Status status);

}  // namespace iommucheck::spec::sva
