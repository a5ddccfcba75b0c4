// SPDX-License-Identifier: MIT
// A configuration, tables and an access, all from one number.
#pragma once

#include "base/random.h"
#include "impl/device/smmu.h"
#include "spec/smmu/transaction.h"
#include "tests/walkers/given_memory_support.h"

namespace iommucheck::walkers {

/// What the ID registers of a model say, as the specification reads them.
spec::Capabilities capabilities_of(const device::Features& features);

struct Triple {
  spec::SmmuState smmu;
  u32 strtab_cfg = 0;
  u64 strtab = 0;
  spec::Access access;
};

/// Draws one, and plants its structures.
Triple draw_triple(u64 seed, const spec::Capabilities& caps, GivenMemory& memory);

}  // namespace iommucheck::walkers
