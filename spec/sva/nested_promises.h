// SPDX-License-Identifier: MIT
// What the devices of a user's domains meet, and what the parent promises at an IPA. INTERFACE
// "Nested".
#pragma once

#include "spec/sva/expectation.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

/// Exactly what an access through the nested domain meets, where that is known; else `within`.
/// `device`: no_device for any.
void nested_promises(const InterfaceState& s, u32 device, u32 domain, Substream at, u64 iova,
                     bool with_calls, Alternatives& out);
/// Of what stage 1 of a user's refuses, where it maps and the rights are not there.
FaultKind faults_of_users_route(const InterfaceState& s, u32 device, u32 domain, Substream at);

/// What the parents of the user's domains that the device may be on promise at an IPA; at a PASID,
/// where these are the host's.
Alternatives expected_within(const InterfaceState& s, u32 device, Substream at, u64 ipa);

}  // namespace iommucheck::spec::sva
