// SPDX-License-Identifier: MIT
// What a device meets at a PASID that attach_pasid has led to a domain. INTERFACE "Attach".
#pragma once

#include "spec/sva/expectation.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

/// What the device meets at the PASID by an attachment. True: nothing else stands there.
bool attached_promises(const InterfaceState& s, u32 device, u32 pasid, u64 iova, bool with_calls,
                       Alternatives& out);

}  // namespace iommucheck::spec::sva
