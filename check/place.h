// SPDX-License-Identifier: MIT
// Where the memory of a lockstep lies, if another device than the specification is to have the
// same: what a driver does there can then be done on that device.
#pragma once

#include <optional>

#include "base/types.h"
#include "spec/smmu/registers.h"

namespace iommucheck::oracle {

struct MemoryPlace {
  spec::IdRegisters id;  ///< bit by bit; Machine::caps is what they claim
  u64 window_pa = 0;     ///< the driver's table memory
  u64 window_bytes = 0;
  u64 process_bytes = 0;  ///< behind it, of processes' own tables
  u64 users_pa = 0;       ///< of users of stage 2 domains
  u64 users_bytes = 0;
  u64 pages_pa = 0;  ///< a multiple of 2 MiB: what is mapped lies there, as far as it fits
  u64 pages_bytes = 0;

  [[nodiscard]] bool has_page(u64 pa) const { return pa - pages_pa < pages_bytes; }
  /// Another page of those.
  [[nodiscard]] u64 other_page(u64 pa) const {
    return pages_pa + (pa - pages_pa + pages_bytes / 2) % pages_bytes;
  }
};

}  // namespace iommucheck::oracle
