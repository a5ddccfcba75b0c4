// SPDX-License-Identifier: MIT
// Where in the source an instruction of an object stands.
#pragma once

#include <string>

#include "base/types.h"
#include "process/debug_info.h"

namespace iommucheck::oracle {

/// "link_table at smmu.c:812, in map_range at smmu.c:840": the function, and those that it was
/// inlined into, where the object has line tables; else what symbol_in() says. `address` is counted
/// from where the object was loaded.
std::string source_line_in(const std::string& path, u64 address);

/// "name+0x1c (object.so+0x1234)", demangled; "object.so+0x1234" where the file has no such symbol
/// or cannot be read. Static functions have symbols, too.
std::string symbol_in(const std::string& path, u64 address);

/// The same with the file as the compiler was given it: of the first of these functions that is no
/// helper (some lines long at most, as what wraps a store is), or else of the outermost.
struct SourcePlace {
  std::string file{};  ///< empty: not known
  u64 line = 0;
  friend bool operator==(const SourcePlace&, const SourcePlace&) = default;
};
struct SourceLine {
  std::string text{};
  SourcePlace place{};
};
SourceLine source_of(const DebugInfo& info, u64 address);

}  // namespace iommucheck::oracle
