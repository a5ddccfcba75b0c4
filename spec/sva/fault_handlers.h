// SPDX-License-Identifier: MIT
// The handler of a device and PASID, to which faults go in the place of a queue: the driver calls
// it for each page, and it is answered like a queue's group. INTERFACE "Faults".
#pragma once

#include <optional>

#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

Permitted permitted_handler_set(const InterfaceState& s, const Call& call, Circumstances around);
void begin_handler_set(const InterfaceState& s, const Call& call, Pending& pending);
void apply_handler_set(InterfaceState& s, const Call& call, Status status);
Verdict fault_handler_called(InterfaceState& s, const FaultRecord& fault, std::optional<u64> iova,
                             u64 word);
Verdict handlers_were_called(InterfaceState& s);
std::optional<u64> fault_handler_of(const InterfaceState& s, u32 device, u32 pasid);

}  // namespace iommucheck::spec::sva
