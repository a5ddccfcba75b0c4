// SPDX-License-Identifier: MIT
// Private address spaces at PASIDs, from sva_alloc_pasid to sva_free_pasid, and with tables per
// device who is attached to one: what a device meets there. INTERFACE "Bind", "Free".
#pragma once

#include "spec/sva/expectation.h"
#include "spec/sva/state.h"
#include "spec/sva/tables.h"

namespace iommucheck::spec::sva {

/// Whether the table that the device meets holds the private space.
Stands stands_private(const InterfaceState& s, const EntryTable& table, u32 device, u32 space,
                      bool with_calls);
/// A call that ends it, or takes it from the device, has not returned.
bool may_be_gone_private(const InterfaceState& s, u32 space, u32 device);
void private_promises(const InterfaceState& s, u32 device, const EntryTable& table, u32 number,
                      u64 iova, bool with_calls, Alternatives& out);

}  // namespace iommucheck::spec::sva
