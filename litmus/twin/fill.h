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

/// They do in the stream table itself, whatever is cached.
bool stream_table_differs(const Facts& facts, const State& state, u64 sid);

/// A valid STE states a span around the SID that is larger than the array of the second level in
/// which it stands: any STE may serve there. IHI 0070 5.2, "CONT".
bool span_is_beyond(const State& state, u64 sid);

/// By which stage 2 leaf of the VMID hardware may write a flag to a descriptor of a guest's table
/// there: one that needs no flag of its own, if there is one; nullptr: none leads there and lets
/// it.
const Item* page_to_write(const State& state, u16 vmid, u64 pa);

/// CR0.ATSCHK may have that value for the STE of the stream.
bool may_check(const State& state, u64 sid, bool value);

/// Requests through the STE may be answered. With ATSCHK = 0 EATS = 2 counts as 0: IHI 0070 5.2.
bool grants(const State& state, u64 sid, const Ste& ste);

/// The SSIDs below 2^S1CDMax; CD 0 where there is but one.
bool ssid_in_bounds(const Ste& ste, u64 ssid);

}  // namespace iommucheck::litmus::twin
