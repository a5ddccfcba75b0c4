// SPDX-License-Identifier: MIT
// Faults of stage 1 that wait, of devices on a user's domain: they are that domain's queue's, read
// and answered there. Without one, or where it is full, the host ends them and tells the user like
// of those that do not wait (user_events.h). INTERFACE "Faults".
#pragma once

#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

/// fault_queue_open(domain): EINVAL (no user's domain, depth 0), EBUSY (a second one), ENOMEM;
/// EOPNOTSUPP where the IOMMU holds no accesses of users.
Permitted permitted_queue_open_of_domain(const InterfaceState& s, const Call& call,
                                         Circumstances around);
/// There is a queue of a domain from now on: what was recorded before may go there.
void queue_of_domain_opened(InterfaceState& s, u32 queue);

/// The user's domain that an access of the device meets, as far as is known; 0: none. `*loose`: it
/// moves, and may meet another.
u32 users_domain_met(const InterfaceState& s, u32 device, u32 pasid, bool* loose);
/// A call in progress may be ending it.
bool may_end_users_fault(const InterfaceState& s, const Waiting& fault);
/// A call has ended: it is over where its device is there no more, and nobody knows where a move
/// is left open.
void end_users_fault(InterfaceState& s, u32 index);

}  // namespace iommucheck::spec::sva
