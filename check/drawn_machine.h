// SPDX-License-Identifier: MIT
// What is drawn of a machine, whoever draws it: drawn_machine(), or the plan of a campaign.
#pragma once

#include <set>
#include <string_view>

#include "check/machine.h"
#include "monitor/drawn_smmu.h"

namespace iommucheck::oracle {

/// A draw of its own, named by four letters at most, so that nothing else that is drawn of the seed
/// depends on it.
Draw draw_of(u64 seed, std::string_view four_letters);

/// StreamIDs are apart where the tables for that stay small; with `far` thousands of level 1
/// descriptors lie between them, which costs time.
u32 drawn_stream_id(Draw& draw, const spec::Capabilities& caps, bool far, std::set<u32>& taken);

/// What has draws of its own, where no change names it: page requests, messages, broadcasts, and
/// where memory is.
void draw_the_rest(Machine& machine, std::string_view changes, u64 seed);

}  // namespace iommucheck::oracle
