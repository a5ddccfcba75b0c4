// SPDX-License-Identifier: MIT
// A bond as a record: made, its states, gone. INTERFACE "Bind".
#pragma once

#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

u32 add_bond(InterfaceState& s, u32 device, u32 number, u64 drvdata, BondState state);
/// Calls that wait for the bond's handler see it gone.
void bond_is_gone(InterfaceState& s, u32 bond, Gone how);
void remove_bond(InterfaceState& s, u32 bond);
void set_bond_state(InterfaceState& s, u32 bond, BondState state);

}  // namespace iommucheck::spec::sva
