// SPDX-License-Identifier: MIT
// One access through both stages, fetch by fetch, as memory says it now.
#pragma once

#include "explain/text.h"
#include "spec/smmu/smmu.h"

namespace iommucheck::oracle {

/// What the access reads on its way, with the stage 2 walk of each intermediate address, and where
/// it ends. Nothing where its stream has not both stages. IHI 0070 3.3.2.
void add_walk(Lines& lines, const spec::Caches& caches, const spec::Access& access);

}  // namespace iommucheck::oracle
