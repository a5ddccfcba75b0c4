// SPDX-License-Identifier: MIT
// The sequences of a campaign: half of the families are random, those of a part's first quarter
// among them; half begin as a sequence began that has shown something rare, or as one that was
// given.
#pragma once

#include <span>

#include "base/types.h"
#include "check/given.h"
#include "check/guide.h"

namespace iommucheck::oracle {

/// Adds the next family to the guide: it begins with sequence `number` of the seed, of at most
/// `operations_max` operations each. Random ones are those of make_sequence(). `given`: a corpus;
/// may be empty.
void add_family(u64 seed, u64 number, u32 operations_max, std::span<const GivenCase> given,
                Guide& guide);

}  // namespace iommucheck::oracle
