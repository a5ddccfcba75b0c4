// SPDX-License-Identifier: MIT
// Memory as it is now, for what follows tables or structures word by word.
#pragma once

#include <optional>

#include "spec/smmu/decisions.h"
#include "spec/smmu/memory.h"

namespace iommucheck::oracle {

struct NewestWords {
  const spec::Memory& memory;
  bool unknown = false;  ///< one that was read is
  std::optional<u64> read(spec::Structure /*kind*/, u64 pa) {
    const spec::Content content = memory.newest(pa);
    unknown |= content.unknown;
    return content.value;
  }
};

}  // namespace iommucheck::oracle
