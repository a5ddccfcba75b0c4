// SPDX-License-Identifier: MIT
// What a device meets at the number of a process from bind to the end, and while a call is about to
// put something there. INTERFACE "Bind", "Exit".
#pragma once

#include "spec/sva/expectation.h"
#include "spec/sva/state.h"
#include "spec/sva/tables.h"

namespace iommucheck::spec::sva {

/// Whether every reference that is left has an unbind in progress, or all of the device's go: for
/// the driver the bond is there or not.
bool may_have_ended(const InterfaceState& s, u32 index, const Pending* but = nullptr);
/// The same by calls beside the one that asks (`but`): whoever asks now may be told that nothing is
/// bound. While its own handler runs it is there.
bool may_be_gone(const InterfaceState& s, u32 index, const Pending* but = nullptr);
/// Whether the table that the device meets holds what the bond is about.
Stands reaches(const InterfaceState& s, const Bond& bond, const EntryTable& table, u32 device,
               bool with_calls);
void bound_promises(const InterfaceState& s, u32 device, const EntryTable& table, u32 number,
                    u64 iova, bool with_calls, Alternatives& out);
void pending_number_promises(const InterfaceState& s, u32 device, const EntryTable& table,
                             u32 pasid, u64 iova, Alternatives& out);

}  // namespace iommucheck::spec::sva
