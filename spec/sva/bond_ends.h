// SPDX-License-Identifier: MIT
// How bonds and private PASIDs end, and what becomes of their number then. INTERFACE "Bind",
// "Free".
#pragma once

#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

/// Without a bond that says otherwise the number is free, or in doubt after a time-out.
void settle_number(InterfaceState& s, u32 number);
/// unbind_dev_all: all bonds and private PASIDs of the device, and what it was attached to.
void end_all_of(InterfaceState& s, u32 device, Gone gone, bool timed_out);
void end_private(InterfaceState& s, u32 space, bool timed_out);

/// For the caller it is gone. A time-out leaves a way to what it reached.
void end_bond(InterfaceState& s, u32 bond, Gone gone, bool timed_out);

}  // namespace iommucheck::spec::sva
