// SPDX-License-Identifier: MIT
// bind_device: what it answers and makes, and what may be asked of a bond. INTERFACE "Bind".
#pragma once

#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

Permitted permitted_bind(const InterfaceState& s, const Call& call, Circumstances around,
                         const Pending* begun);
void begin_bind(InterfaceState& s, const Call& call, Pending& pending);
void apply_bind(InterfaceState& s, const Call& call, const Observed& observed,
                const Pending* begun);
Permitted permitted_drvdata(const InterfaceState& s, const Call& call);
Permitted permitted_io_mm_of(const InterfaceState& s, const Call& call);
void apply_io_mm_of(InterfaceState& s, const Call& call, const Observed& observed);

}  // namespace iommucheck::spec::sva
