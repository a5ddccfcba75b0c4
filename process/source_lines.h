// SPDX-License-Identifier: MIT
// Where in the source an instruction of an object stands.
#pragma once

#include <string>

#include "base/types.h"

namespace iommucheck::oracle {

/// "link_table at smmu.c:812, in map_range at smmu.c:840": the function, and those that it was
/// inlined into. By llvm-symbolizer or addr2line, where one is installed and the object has line
/// tables; else what symbol_in() says. `address` is counted from where the object was loaded.
std::string source_line_in(const std::string& path, u64 address);

}  // namespace iommucheck::oracle
