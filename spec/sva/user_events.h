// SPDX-License-Identifier: MIT
// Events that nobody answers, of devices on a user's domains: the user is told of what its own
// stage has made, by its own numbers; all else is the host's. INTERFACE "Nested".
//
// As with faults that wait, a driver reads what was recorded when it is interrupted, or earlier by
// itself. Whose an event is that was recorded while its device moved nobody knows: it may be told
// to the user that the device was with, and to no other.
#pragma once

#include <optional>
#include <string>

#include "spec/sva/expectation.h"
#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

inline constexpr u32 event_depth_max = u32{1} << 19;  ///< as an IOMMU's own. IHI 0070 6.3.29

Permitted permitted_event_queue_open(const InterfaceState& s, const Call& call,
                                     Circumstances around);
void apply_event_queue_open(InterfaceState& s, const Call& call, const Observed& observed);
Permitted permitted_event_read(const InterfaceState& s, const Call& call);
/// Whether that is what the queue has to give; empty, or why it is not.
std::string check_event(const InterfaceState& s, const Call& call, const EventRead& given);
/// What a driver gives that has read all; nothing: there is nothing.
std::optional<EventRead> oldest_event(const InterfaceState& s, u64 handle);
void apply_event_read(InterfaceState& s, const Call& call, const Observed& observed);
/// The queue of a parent is closed.
void forget_events_of(InterfaceState& s, u32 parent);

/// A record was written for a device. `waits`: of an access that waits, by its order, and that the
/// queue of a user's domain may have; 0: of none.
void event_recorded(InterfaceState& s, u32 device, Substream at, const EventWords& words,
                    u64 waits = 0);
/// The driver was interrupted for one of those: a fault queue surely has it, or who knows.
void event_that_waits_is_read(InterfaceState& s, u32 index, bool has_queue);
/// The fault queue of one of the user's domains is opened.
void events_of_user_may_wait(InterfaceState& s, u32 parent);
/// One found no room in the IOMMU's own queue: whose it was nobody knows.
void event_was_lost(InterfaceState& s);
/// The driver was interrupted for all that is recorded.
void events_are_read(InterfaceState& s);
/// A call is about to begin, in which the driver may read on.
void events_may_be_read(InterfaceState& s);
/// The device goes, or may have gone, from one domain to another.
bool is_on_the_move(const InterfaceState& s, u32 device);
/// visit(domain) of those that it may have gone to: by an attach that timed out, or is in progress.
template <class Visit>
void for_each_domain_ahead(const InterfaceState& s, u32 device, Visit visit) {
  for (u32 g = s.devices[device].ghosts; g != 0; g = s.ghosts[g].next) visit(s.ghosts[g].domain);
  s.tickets.for_each([&](const Pending& pending) {
    const bool attaches = pending.kind == static_cast<u32>(CallKind::attach) && pending.space != 0;
    if (attaches && s.moves_with(pending.device, device)) visit(pending.space);
  });
}
/// A device gets a number, or goes elsewhere.
void number_events(InterfaceState& s, u32 parent, u32 device, u64 number);
void device_of_events_moves(InterfaceState& s, u32 device);

}  // namespace iommucheck::spec::sva
