// SPDX-License-Identifier: MIT
// What follows of a machine where a text says some of it: the rest is made to fit.
#pragma once

#include <string_view>

#include "check/machine.h"

namespace iommucheck::oracle {

/// What the SMMU does not have, no device claims.
void drop_what_is_not_there(Machine& machine);

/// Devices that nobody named have StreamIDs that the SMMU has.
void fit_stream_ids(Machine& machine);

/// What its version makes mandatory the SMMU has, and nothing that comes with later ones, unless
/// `text` says what it has. IHI 0070 2.9, 6.3.1, 6.3.2 (SIDSIZE), 6.3.4.
void fit_the_version(spec::Capabilities& caps, std::string_view text);

/// What the devices claim the SMMU has, unless `text` says what it has.
void fit_the_devices(Machine& machine, std::string_view text);

}  // namespace iommucheck::oracle
