// SPDX-License-Identifier: MIT
// Address spaces: how many there are, their tables, and what is left when the last that needs one
// is gone.
#pragma once

#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

u32 address_spaces(const InterfaceState& s);
/// With those, too, that a call which timed out may have left to nobody.
bool address_spaces_may_be_used_up(const InterfaceState& s);
/// Zeros if there is none.
DomainFacts facts_of_space(const InterfaceState& s, u32 index);
void release_space(InterfaceState& s, u32 space);
/// The TTBR0 attribute of a space: any address until one was seen, then that one.
void permit_table_address(const InterfaceState& s, u32 space, Permitted& set);
void forget_process(InterfaceState& s, u32 process);

}  // namespace iommucheck::spec::sva
