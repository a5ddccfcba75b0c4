// SPDX-License-Identifier: MIT
// A call's life: what it may answer, what it may have done already, what its answer makes of the
// state. Each is in the file of its subject.
#pragma once

#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

Permitted answers(const InterfaceState& s, const Call& call, Circumstances around,
                  const Pending* begun);
Ticket begin_call(InterfaceState& s, const Call& call);
Verdict end_call(InterfaceState& s, Ticket ticket, const Call& call, const Observed& observed,
                 Circumstances around);
Verdict apply(InterfaceState& s, const Call& call, const Observed& observed, Circumstances around);
Verdict end_last_call(InterfaceState& s, const Call& call, const Observed& observed,
                      Circumstances around);
const char* caller_may_not(const InterfaceState& s, const Call& call);

}  // namespace iommucheck::spec::sva
