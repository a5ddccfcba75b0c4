// SPDX-License-Identifier: MIT
// What a caller must keep: who breaks it is at fault, whatever the driver makes of it. SEMANTICS 5,
// unmap_fast and Blame; INTERFACE "Gather", "Free", "Exit".
#pragma once

#include "spec/rules/interface.h"
#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

struct Unready {
  Rule rule = rule::RANGE_UNSYNCED;
  const char* reason = nullptr;  ///< null: nothing is in the way
};

const char* freed_object(const InterfaceState& s, const Call& call);
Unready unready_for_map(const InterfaceState& s, const Call& call);
Verdict duty_of_call(const InterfaceState& s, const Call& call);
Verdict duty_of_page(const InterfaceState& s, u64 pa, u64 size);
Verdict duty_of_dma(const InterfaceState& s, u32 device, u32 pasid);

}  // namespace iommucheck::spec::sva
