// SPDX-License-Identifier: MIT
// The function that an address of a loaded object lies in, from the object's file: static functions
// too, and without loading it.
#pragma once

#include <string>

#include "base/types.h"

namespace iommucheck::oracle {

/// "name+0x1c", demangled; "object.so+0x1234" where the file has no such symbol or cannot be read.
/// `address` is counted from where the object was loaded.
std::string symbol_in(const std::string& path, u64 address);

}  // namespace iommucheck::oracle
