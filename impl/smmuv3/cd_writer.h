// SPDX-License-Identifier: MIT
// Context descriptors for the writer of hitless.h: which bits of one count. Words 4 to 7 are 0.
// IHI 0070 3.21.3, 5.4.
#pragma once

#include "impl/smmuv3/hitless.h"
#include "impl/smmuv3/structures.h"

namespace iommucheck::impl::cd {

/// Of each word the bits that count in a CD with these words, of StreamWorld EL1.
Words used_bits(const Words& words);

using hitless::Step;

/// With CFGI_CD behind each step, and what TLBs have kept is the caller's. Where more than one word
/// differs between two that walk it leads through V = 0.
Step next_step(const Words& from, const Words& to);

}  // namespace iommucheck::impl::cd
