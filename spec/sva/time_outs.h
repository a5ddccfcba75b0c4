// SPDX-License-Identifier: MIT
// What a call that timed out leaves, until recovery or until a later one covers it. INTERFACE
// "Timeouts and removal".
#pragma once

#include "spec/sva/expectation.h"
#include "spec/sva/permitted.h"
#include "spec/sva/state.h"
#include "spec/sva/tables.h"

namespace iommucheck::spec::sva {

void add_ghost(InterfaceState& s, u32 device, u32 domain);
void drop_ghosts(InterfaceState& s, u32 device);
void drop_ghosts_of_domain(InterfaceState& s, u32 domain);
void unseen_promises(const InterfaceState& s, u32 device, const EntryTable& table, u32 pasid,
                     u64 iova, bool with_calls, Alternatives& out);
void ghosts_end_of_domain(InterfaceState& s, u32 domain);
void endpoint_says(InterfaceState& s, u32 device, records::Silence what);
/// At the end of a call. If it timed out what was to be given back may not be there before
/// recovery, or before a call in which the device answers again.
void answers_are_over(InterfaceState& s, bool timed_out);
void forget_silence(InterfaceState& s, u32 device);
Permitted permitted_recover(Circumstances around);
void recovered(InterfaceState& s);

}  // namespace iommucheck::spec::sva
