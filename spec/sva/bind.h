// SPDX-License-Identifier: MIT
// A device is bound to a process: at which number, what may be asked of it then, and what may be
// reached while the call runs. INTERFACE "Bind".
#pragma once

#include "spec/sva/expectation.h"
#include "spec/sva/permitted.h"
#include "spec/sva/state.h"
#include "spec/sva/tables.h"

namespace iommucheck::spec::sva {

Permitted permitted_bind(const InterfaceState& s, const Call& call, Circumstances around,
                         const Pending* begun);
void begin_bind(InterfaceState& s, const Call& call, Pending& pending);
u32 add_bond(InterfaceState& s, u32 device, u32 number, u64 drvdata, BondState state);
void apply_bind(InterfaceState& s, const Call& call, const Observed& observed,
                const Pending* begun);
Permitted permitted_drvdata(const InterfaceState& s, const Call& call);
Permitted permitted_io_mm_of(const InterfaceState& s, const Call& call);
void apply_io_mm_of(InterfaceState& s, const Call& call, const Observed& observed);
void pending_number_promises(const InterfaceState& s, u32 device, const EntryTable& table,
                             u32 pasid, u64 iova, Alternatives& out);

}  // namespace iommucheck::spec::sva
