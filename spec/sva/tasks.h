// SPDX-License-Identifier: MIT
// A device's use of a task by a token, in one of two models: the process's own table by a PASID (a
// reference on a bond), or a table of the token's own that the device walks by itself. INTERFACE
// "bind_task".
#pragma once

#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

/// bind_task of the full SVM model as the bind_device that it is, unbind_task of one as the
/// unbind_device; every other call is itself.
Call as_bond_call(const InterfaceState& s, const Call& call);
/// A token of the full SVM model, on which nothing is mapped.
bool is_svm_token(const InterfaceState& s, u64 handle);

Permitted permitted_bind_task(const InterfaceState& s, const Call& call, Circumstances around,
                              const Pending* begun);
Permitted permitted_unbind_task(const InterfaceState& s, const Call& call, Circumstances around,
                                const Pending* begun);
Permitted permitted_task_attr(const InterfaceState& s, const Call& call);
/// Of a bind_task that succeeded: the number that its token has.
Verdict check_task(const InterfaceState& s, const Call& call, const Observed& observed,
                   Circumstances around, const Pending* begun);

void apply_bind_task(InterfaceState& s, const Call& call, const Observed& observed,
                     const Pending* begun);
void apply_unbind_task(InterfaceState& s, const Call& call, Status status);

}  // namespace iommucheck::spec::sva
