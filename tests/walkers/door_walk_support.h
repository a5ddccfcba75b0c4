// SPDX-License-Identifier: MIT
// A walk as the engine makes it: by the doors of spec/smmu/stage_walk.h, one descriptor at a time,
// where stage 2 is a regime like another. Nothing here calls walk_stage1(), walk_stage2() or the
// Intermediate of transaction.h.
#pragma once

#include "spec/smmu/transaction.h"
#include "tests/walkers/given_memory_support.h"

namespace iommucheck::walkers {

/// A mistake that it makes on purpose.
enum class DoorMistake : u8 { none, ipa_range, ptw, no_tables };

/// What becomes of the access. Nothing: it does not come to a walk.
std::optional<spec::Outcome> by_doors(const GivenMemory& memory, const spec::SmmuState& smmu,
                                      const spec::Ste<u64>& ste, const spec::Access& access,
                                      DoorMistake mistake = DoorMistake::none);

}  // namespace iommucheck::walkers
