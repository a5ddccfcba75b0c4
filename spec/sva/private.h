// SPDX-License-Identifier: MIT
// Private address spaces at PASIDs: sva_alloc_pasid to sva_free_pasid, and with tables per device
// who is attached to one. INTERFACE "Bind", "Free".
#pragma once

#include "spec/sva/expectation.h"
#include "spec/sva/permitted.h"
#include "spec/sva/state.h"
#include "spec/sva/tables.h"

namespace iommucheck::spec::sva {

Permitted permitted_alloc_private(const InterfaceState& s, const Call& call, Circumstances around);
void begin_alloc_private(const InterfaceState& s, const Call& call, Pending& pending);
void add_link(InterfaceState& s, u32 space, u32 device, bool doubtful);
void drop_link(InterfaceState& s, u32 space, u32 device);
void apply_alloc_private(InterfaceState& s, const Call& call, const Observed& observed);
Permitted permitted_free_private(const InterfaceState& s, const Call& call, Circumstances around);
void begin_free_private(const InterfaceState& s, const Call& call, Pending& pending);
void end_private(InterfaceState& s, u32 space, bool timed_out);
void apply_free_private(InterfaceState& s, const Call& call, Status status);
Permitted permitted_get_pasid(const InterfaceState& s, const Call& call);
void apply_get_pasid(InterfaceState& s, const Call& call, const Observed& observed);
Permitted permitted_link(const InterfaceState& s, const Call& call, Circumstances around);
void begin_link(const InterfaceState& s, const Call& call, Pending& pending);
void apply_link(InterfaceState& s, const Call& call, Status status);
/// Whether the table that the device meets holds the private space.
Stands stands_private(const InterfaceState& s, const EntryTable& table, u32 device, u32 space,
                      bool with_calls);
void private_promises(const InterfaceState& s, u32 device, const EntryTable& table, u32 number,
                      u64 iova, bool with_calls, Alternatives& out);

}  // namespace iommucheck::spec::sva
