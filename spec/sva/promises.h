// SPDX-License-Identifier: MIT
// What an access may meet, now and during calls: each subject's promise, joined. SEMANTICS 5.
#pragma once

#include "spec/sva/expectation.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

void domain_promises(const InterfaceState& s, u32 index, u64 iova, bool with_calls,
                     Alternatives& out);
void pending_move_promises(const InterfaceState& s, u32 device, Substream at, u64 iova,
                           Alternatives& out);

/// By the tables that the device may meet while it is on the domain, and by attachments apart.
void substream_promises(const InterfaceState& s, u32 device, u32 domain, u32 pasid, u64 iova,
                        bool with_calls, Alternatives& out);
Expectation expected(const InterfaceState& s, u32 device, Substream at, u64 iova);
Alternatives expected_during(const InterfaceState& s, u32 device, Substream at, u64 iova);
bool may_reach(const InterfaceState& s, u32 device, u32 index);
bool equal_promises(const InterfaceState& s, u32 a, u32 b, Substream at);

}  // namespace iommucheck::spec::sva
