// SPDX-License-Identifier: MIT
// Release, and the handlers of device drivers: who is called, who waits for whom. INTERFACE "Exit".
#pragma once

#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

Ticket release_begins(InterfaceState& s, u64 mm);
Verdict release_waits(const InterfaceState& s, Ticket ticket);
Verdict release_ends(InterfaceState& s, Ticket ticket, bool timed_out);
Verdict handler_called(InterfaceState& s, u32 device, u32 pasid, u64 drvdata);
Verdict handler_returned(InterfaceState& s, u32 device, u32 pasid, Status status);
Verdict bound_passes(InterfaceState& s, u32 device, u32 pasid);
bool is_inside(const InterfaceState& s, const Call& call);
bool may_end(const InterfaceState& s, Ticket ticket);
Verdict check_waiting(const InterfaceState& s, const Call& call, const Observed& observed,
                      const Pending* begun);
const char* not_while_released(const InterfaceState& s, const Call& call);

}  // namespace iommucheck::spec::sva
