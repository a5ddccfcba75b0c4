// SPDX-License-Identifier: MIT
// Structs of a door in C begin with their size and the abi that they were built with; they grow at
// their end.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "base/error.h"
#include "base/types.h"

namespace iommucheck::oracle {

struct StructVersion {
  std::string_view what;   ///< what messages call it: driver
  std::string_view type;   ///< iommucheck_driver
  std::string_view macro;  ///< IOMMUCHECK_DRIVER_ABI
  u32 abi;                 ///< its value here
  u32 first_size;          ///< bytes of its first version
};

/// A copy of what the struct has; members that it is too short for are 0, and `size` is as it was
/// given. bad_input where abi or size cannot be; the message does not name the file.
template <class Struct>
Expected<Struct> whole_struct(const Struct* given, const StructVersion& version) {
  if (given == nullptr) {
    return fail(ErrorCode::bad_input, fmt::format("its {} is NULL", version.what));
  }
  Struct all{};
  std::memcpy(&all, given, 2 * sizeof(u32));  // size and abi: all that is sure to be there
  if (all.abi != version.abi) {
    return fail(ErrorCode::bad_input,
                fmt::format("its {} has abi {}, this program has {}; set abi = {} and build it "
                            "with this program's headers",
                            version.what, all.abi, version.abi, version.macro));
  }
  if (all.size < version.first_size || all.size % 8 != 0) {
    return fail(ErrorCode::bad_input,
                fmt::format("its {} has size {}, which cannot be (at least {}, a multiple of 8); "
                            "set size = sizeof(struct {})",
                            version.what, all.size, version.first_size, version.type));
  }
  std::memcpy(&all, given, std::min<std::size_t>(all.size, sizeof all));
  return all;
}

}  // namespace iommucheck::oracle
