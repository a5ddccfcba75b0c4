// SPDX-License-Identifier: MIT
#include "spec/smmu/stream_table.h"

#include <algorithm>

#include "base/text.h"

namespace iommucheck::spec {

StreamTable stream_table_of(u64 strtab_base, u32 strtab_base_cfg, const Capabilities& caps) {
  StreamTable table;
  table.log2size = static_cast<unsigned>(bits(strtab_base_cfg, 5, 0));
  table.sid_bits = std::min(table.log2size, caps.sidsize);
  const auto split = static_cast<unsigned>(bits(strtab_base_cfg, 10, 6));
  table.split = split == 8 || split == 10 ? split : 6;
  table.two_level = caps.two_level_stream_table && bits(strtab_base_cfg, 17, 16) == 1;
  const u64 address = strtab_base & mask(51, 6);
  unsigned size_lg2 = table.log2size + 6;
  if (table.two_level) {
    // 2^(LOG2SIZE - SPLIT) descriptors of 8 bytes, one at least; 64 bytes at least.
    const unsigned entries_lg2 = table.log2size > table.split ? table.log2size - table.split : 0;
    size_lg2 = std::max(6u, entries_lg2 + 3);
  }
  table.base = align_down(address, size_lg2);
  table.ignored = address - table.base;
  return table;
}

std::string ignored_text(const StreamTable& table) {
  if (table.ignored == 0) return {};
  return "; STRTAB_BASE says " + hex(table.base + table.ignored) +
         ", and a table of this size begins at " + hex(table.base) + " then (IHI 0070 6.3.24)";
}

}  // namespace iommucheck::spec
