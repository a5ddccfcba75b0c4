// SPDX-License-Identifier: MIT
// Domains: made, asked about, freed; what RIDs of a domain meet. INTERFACE "Free", "Errors and
// their order".
#pragma once

#include "spec/sva/expectation.h"
#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

u32 address_spaces(const InterfaceState& s);
/// With those, too, that a call which timed out may have left to nobody.
bool address_spaces_may_be_used_up(const InterfaceState& s);
Permitted permitted_domain_alloc(const InterfaceState& s, const Call& call, Circumstances around);
void apply_domain_alloc(InterfaceState& s, const Call& call, const Observed& observed);
Permitted permitted_domain_free(const InterfaceState& s, const Call& call, Circumstances around);
void apply_domain_free(InterfaceState& s, const Call& call, Status status);
void release_space(InterfaceState& s, u32 space);
Permitted permitted_get_attr(const InterfaceState& s, const Call& call);
/// The TTBR0 attribute of a space: any address until one was seen, then that one.
void permit_table_address(const InterfaceState& s, u32 space, Permitted& set);
/// Of a domain, an io_mm or a token.
void apply_get_attr(InterfaceState& s, const Call& call, const Observed& observed);
void domain_promises(const InterfaceState& s, u32 index, u64 iova, bool with_calls,
                     Alternatives& out);

}  // namespace iommucheck::spec::sva
