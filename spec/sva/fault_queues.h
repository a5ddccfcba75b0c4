// SPDX-License-Identifier: MIT
// Faults that wait for a user's answer. INTERFACE "Faults".
//
// A driver reads what was recorded when it is interrupted, or earlier by itself: until then nobody
// knows what is in a queue. What a time-out or a call in progress leaves open is not judged either.
#pragma once

#include <optional>
#include <string>

#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

Permitted permitted_queue_open(const InterfaceState& s, const Call& call, Circumstances around);
void apply_queue_open(InterfaceState& s, const Call& call, const Observed& observed);
Permitted permitted_queue_read(const InterfaceState& s, const Call& call);
/// Whether the record is that of the oldest unread group; empty, or why it is not.
std::string check_fault(const InterfaceState& s, const Call& call, const FaultRecord& record);
std::optional<FaultRecord> oldest_fault(const InterfaceState& s, u64 handle);
void apply_queue_read(InterfaceState& s, const Call& call, const Observed& observed);
Permitted permitted_respond(const InterfaceState& s, const Call& call, Circumstances around);
void begin_respond(const InterfaceState& s, const Call& call, Pending& pending);
void apply_respond(InterfaceState& s, const Call& call, Status status);
Permitted permitted_queue_close(const InterfaceState& s, const Call& call, Circumstances around);
void begin_queue_close(const InterfaceState& s, const Call& call, Pending& pending);
void apply_queue_close(InterfaceState& s, const Call& call, Status status);

// --- The handler of a device and PASID

Permitted permitted_handler_set(const InterfaceState& s, const Call& call, Circumstances around);
void begin_handler_set(const InterfaceState& s, const Call& call, Pending& pending);
void apply_handler_set(InterfaceState& s, const Call& call, Status status);
Verdict fault_handler_called(InterfaceState& s, const FaultRecord& fault, std::optional<u64> iova,
                             u64 word);
Verdict handlers_were_called(InterfaceState& s);
std::optional<u64> fault_handler_of(const InterfaceState& s, u32 device, u32 pasid);

// --- What devices and the IOMMU do
// -----------------------------------------------------------------

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
/// What the group of a fault_queue_respond is to the IOMMU.
std::optional<StallName> stall_of(const InterfaceState& s, const Call& call);
void forget_refused(InterfaceState& s);

// --- What ends them
// --------------------------------------------------------------------------------

/// A call is about to begin, in which the driver may read on.
void a_call_begins(InterfaceState& s);
/// Something ended: those whose device no longer waits for its process are over.
void end_faults(InterfaceState& s);
void close_queues_of(InterfaceState& s, u32 device);

}  // namespace iommucheck::spec::sva
