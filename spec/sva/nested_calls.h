// SPDX-License-Identifier: MIT
// What a user of a stage 2 domain asks: routes of its own, numbers of its devices, invalidations.
// INTERFACE "Nested".
#pragma once

#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

/// Of nested and nested_pasid.
Permitted permitted_nested_alloc(const InterfaceState& s, const Call& call, Circumstances around);

Permitted permitted_vdevice(const InterfaceState& s, const Call& call, Circumstances around);
void apply_vdevice(InterfaceState& s, const Call& call, Status status);

Permitted permitted_cache_invalidate(const InterfaceState& s, const Call& call,
                                     Circumstances around);
void begin_cache_invalidate(const InterfaceState& s, const Call& call, Pending& pending);
void apply_cache_invalidate(InterfaceState& s, const Call& call, const Observed& observed,
                            const Pending* begun);

}  // namespace iommucheck::spec::sva
