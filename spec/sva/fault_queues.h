// SPDX-License-Identifier: MIT
// The queue where faults are read and answered: of a device's processes, or of a user's domain.
// INTERFACE "Faults".
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
/// What the group of a fault_queue_respond is to the IOMMU.
std::optional<StallName> stall_of(const InterfaceState& s, const Call& call);
/// The device is gone.
void close_queues_of(InterfaceState& s, u32 device);

}  // namespace iommucheck::spec::sva
