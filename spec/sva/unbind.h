// SPDX-License-Identifier: MIT
// unbind_device, unbind_dev_all: what they answer, how a bond ends, and what a device meets at the
// number of a process from bind to the end. INTERFACE "Bind", "Exit".
#pragma once

#include "spec/sva/expectation.h"
#include "spec/sva/permitted.h"
#include "spec/sva/state.h"
#include "spec/sva/tables.h"

namespace iommucheck::spec::sva {

Permitted permitted_unbind(const InterfaceState& s, const Call& call, Circumstances around,
                           const Pending* begun);
void begin_unbind(const InterfaceState& s, const Call& call, Pending& pending);
void apply_unbind(InterfaceState& s, const Call& call, Status status);
Permitted permitted_unbind_all(const InterfaceState& s, const Call& call, Circumstances around);
void begin_unbind_all(const InterfaceState& s, const Call& call, Pending& pending);
void apply_unbind_all(InterfaceState& s, const Call& call, Status status);
void bond_is_gone(InterfaceState& s, u32 bond, Gone how);
void remove_bond(InterfaceState& s, u32 bond);
void settle_number(InterfaceState& s, u32 number);
void set_bond_state(InterfaceState& s, u32 bond, BondState state);
void end_all_of(InterfaceState& s, u32 device, Gone gone, bool timed_out);
/// Whether every reference that is left has an unbind in progress, or all of the device's go: for
/// the driver the bond is there or not.
bool may_have_ended(const InterfaceState& s, u32 index);
/// Whether the table that the device meets holds what the bond is about.
Stands reaches(const InterfaceState& s, const Bond& bond, const EntryTable& table, u32 device,
               bool with_calls);
void bound_promises(const InterfaceState& s, u32 device, const EntryTable& table, u32 number,
                    u64 iova, bool with_calls, Alternatives& out);

}  // namespace iommucheck::spec::sva
