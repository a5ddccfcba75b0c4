// SPDX-License-Identifier: MIT
// Domains: made, asked about, freed. INTERFACE "Free", "Errors and their order".
#pragma once

#include "spec/sva/permitted.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

Permitted permitted_domain_alloc(const InterfaceState& s, const Call& call, Circumstances around);
void apply_domain_alloc(InterfaceState& s, const Call& call, const Observed& observed);
Permitted permitted_domain_free(const InterfaceState& s, const Call& call, Circumstances around);
void apply_domain_free(InterfaceState& s, const Call& call, Status status);
Permitted permitted_get_attr(const InterfaceState& s, const Call& call);
/// Of a domain, an io_mm or a token.
void apply_get_attr(InterfaceState& s, const Call& call, const Observed& observed);

}  // namespace iommucheck::spec::sva
