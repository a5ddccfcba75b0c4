// SPDX-License-Identifier: MIT
// Stream table entries for the writer of hitless.h: which bits of one count, and which are right
// beside another. IHI 0070 3.21.3, 5.2.
#pragma once

#include "impl/smmuv3/hitless.h"
#include "impl/smmuv3/structures.h"

namespace iommucheck::impl::ste {

/// Of each word the bits that count in an STE with these words. IHI 0070 5.2.
Words used_bits(const Words& words);

using hitless::Step;
using hitless::word0_alone;

/// With CFGI_STE behind each step. Both are legal.
Step next_step(const Words& from, const Words& to);

/// They differ in a table of the driver's and in S1DSS at most: stored at once, a mixture is one of
/// them for accesses with a PASID, and one of them or an abort for those without.
bool differ_by_table(const Words& from, const Words& to);

}  // namespace iommucheck::impl::ste
