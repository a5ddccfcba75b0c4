// SPDX-License-Identifier: MIT
// Words of memory as they are now, for walks that look at nothing else: what a device under test
// meets that has nothing cached.
#pragma once

#include <optional>

#include "spec/smmu/cd.h"
#include "spec/smmu/decisions.h"
#include "spec/smmu/memory.h"
#include "spec/smmu/ste.h"

namespace iommucheck::oracle {

/// Where nothing answers: what is fetched from there ends in an external abort.
struct AbsentMemory {
  u64 first = 0, bytes = 0;
};

/// Memory as it is now, and what of it was read.
struct TableReader {
  const spec::Memory& memory;
  AbsentMemory absent{};
  bool unknown = false, aborts = false;
  spec::Ste<u64> ste{};
  spec::Cd<u64> cd{};
  unsigned ste_words = 0, cd_words = 0, descriptors = 0;
  u64 last = 0;    ///< descriptor
  u64 tables = 0;  ///< all descriptors before the last one, joined
  std::optional<u64> read(spec::Structure kind, u64 pa) {
    if (pa - absent.first < absent.bytes) {
      aborts = true;
      return std::nullopt;
    }
    const spec::Content content = memory.newest(pa);
    unknown |= content.unknown;
    if (kind == spec::Structure::ste) ste.dw[ste_words++] = content.value;
    if (kind == spec::Structure::cd) cd.dw[cd_words++] = content.value;
    if (kind == spec::Structure::descriptor) {
      if (descriptors++ != 0) tables |= last;
      last = content.value;
    }
    return content.value;
  }
};

}  // namespace iommucheck::oracle
