// SPDX-License-Identifier: MIT
// What an object does, as a number: two builds of one source that differ in where they were made
// are the same.
#pragma once

#include <optional>
#include <string>

#include "base/types.h"

namespace iommucheck::oracle {

/// Of the code, the data, the relocations and the names of an object that can be loaded. Not of
/// line tables and other debug information, the build ID, its way to libraries (RUNPATH) and
/// symbols that no loader reads: these say where and when it was built. Nothing for what is no
/// 64-bit ELF file with sections.
std::optional<u64> identity_of_object(const std::string& path);

}  // namespace iommucheck::oracle
