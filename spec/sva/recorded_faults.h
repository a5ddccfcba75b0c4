// SPDX-License-Identifier: MIT
// Faults that wait, from their record to their end: what devices and the IOMMU do, and what answers
// are judged by. INTERFACE "Faults".
#pragma once

#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

/// An access that waits was recorded; (sid, stag) is what the IOMMU calls it. `outer`: by what
/// stage 2 has made of it, which is the host's. Of a user's domain the order of what waits, else 0.
u64 fault_waits(InterfaceState& s, const FaultRecord& fault, u32 sid, u32 stag, bool outer);
/// A page was asked for at a PASID, and that is recorded: it joins the group that has begun by that
/// name, or begins it. fault.last: the group is whole, and waits for its answer.
void page_is_requested(InterfaceState& s, const FaultRecord& fault, u32 sid, u32 name);
/// Requests were lost: of groups that have begun nobody knows whether they go on.
void begun_groups_are_lost(InterfaceState& s);
/// The driver was interrupted for all that is recorded, of the one kind or the other.
void faults_are_read(InterfaceState& s, bool of_events, bool of_requests);
/// The process's own handler was asked of one that stalls, and answered.
void process_answered(InterfaceState& s, const FaultRecord& fault, bool again);
/// The IOMMU was told to end it, with that response: "success" makes the accesses once more.
/// `alone`: it was named, in an interrupt beside no call.
Verdict fault_resumed(InterfaceState& s, u32 sid, u32 stag, u32 response, bool alone = false);
void forget_refused(InterfaceState& s);

// --- What ends them ---

/// A call is about to begin, in which the driver may read on.
void a_call_begins(InterfaceState& s);
/// Something ended: those whose device no longer waits for its process are over.
void end_faults(InterfaceState& s);

}  // namespace iommucheck::spec::sva
