// SPDX-License-Identifier: MIT
// The environment: processes, what their tables hold, Invalidate. SEMANTICS 5, SVA; INTERFACE
// "Exit".
#pragma once

#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

bool process_created(InterfaceState& s, u64 mm, u32 input_bits);
bool process_maps(InterfaceState& s, u64 mm, u64 va, u64 bytes, u64 pa, u32 prot);
bool process_unmaps(InterfaceState& s, u64 mm, u64 va, u64 bytes);
bool process_protects(InterfaceState& s, u64 mm, u64 va, u64 bytes, u32 prot);
bool process_forks(InterfaceState& s, u64 mm, u64 child);
bool process_gone(InterfaceState& s, u64 mm);
Ticket invalidate_begins(InterfaceState& s, u64 mm, u64 va, u64 bytes);
Verdict invalidate_ends(InterfaceState& s, Ticket ticket, bool timed_out);

}  // namespace iommucheck::spec::sva
