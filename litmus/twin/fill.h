// SPDX-License-Identifier: MIT
// Filling: at a moment, everything that any cache could fetch from what is visible and alive goes
// in (configuration, regimes, pointers, final translations). SEMANTICS 2.
#pragma once

#include <functional>

#include "litmus/twin/facts.h"
#include "litmus/twin/state.h"

namespace iommucheck::litmus::twin {

/// Adds all that can be filled now, and says what can be formed and which rules that breaks.
void fill(const Facts& facts, State& state);

/// Each mixture of the cached words of one structure.
void for_each_mixture(const Structure& structure,
                      const std::function<void(const FourWords&)>& visit);

/// Each STE that the SMMU may work with for this SID now: those of the span that a valid one of it
/// states (STE.CONT), else its own.
void for_each_ste(const State& state, u64 sid, const std::function<void(const Ste&)>& visit);

/// STEs of the SID's span differ in more than CONT.
bool span_differs(const State& state, u64 sid);

/// Hardware may write a flag to a descriptor of a guest's table there: some stage 2 leaf of the
/// VMID leads there and lets it.
bool lets_write_flags(const State& state, u16 vmid, u64 pa);

/// The SSIDs below 2^S1CDMax; CD 0 where there is but one.
bool ssid_in_bounds(const Ste& ste, u64 ssid);

}  // namespace iommucheck::litmus::twin
