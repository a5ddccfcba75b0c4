// SPDX-License-Identifier: MIT
// Two judges of one state. The monitor's compares intervals of tags and ATCs with promises, where
// something changed. The other one asks outcomes() address by address, access by access, and
// compares each with what is promised there by a table of its own. They have to agree.
#pragma once

#include <string>
#include <vector>

#include "check/lockstep.h"

namespace iommucheck::test {

/// The monitor's findings by promises of the state as it is, of all streams.
std::vector<oracle::Finding> findings_of(oracle::Monitor& monitor);

/// The first outcome of an access that nothing promises, in words; empty if there is none. Asked
/// are places and addresses where something is promised or may be met, and those of `also`.
std::string unpromised_outcome(oracle::Monitor& monitor, const std::vector<oracle::Finding>& also);

/// A change of the state behind the driver's back: of a word of a table, a CD or an STE, of GBPA or
/// SMMUEN; or an invalidation, or nothing but a barrier.
void disturb(oracle::Lockstep& lockstep, u64 random);

}  // namespace iommucheck::test
