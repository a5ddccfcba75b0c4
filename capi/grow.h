// SPDX-License-Identifier: MIT
// Structs that the library fills for callers of any age.
#pragma once

#include <algorithm>
#include <cstring>
#include <type_traits>

#include <fmt/format.h>

#include "base/error.h"
#include "base/types.h"

namespace iommucheck::oracle {

/// Copies `full` into the caller's struct of out->size bytes: what the caller has not is left out,
/// and what only the caller has is 0. bad_input: a size below that of the first version, another
/// abi.
template <class Struct>
Expected<void> give(Struct* out, Struct full, u32 first_version, u32 abi) {
  static_assert(std::is_trivially_copyable_v<Struct>);
  if (out == nullptr) return fail(ErrorCode::bad_input, "the struct to fill is NULL");
  if (out->abi != abi || out->size < first_version) {
    return fail(ErrorCode::bad_input,
                fmt::format("the struct to fill has size {} and abi {}; set sizeof it ({} at "
                            "least) and {}",
                            out->size, out->abi, first_version, abi));
  }
  full.size = out->size;
  full.abi = abi;
  std::memcpy(out, &full, std::min<std::size_t>(full.size, sizeof full));
  if (full.size > sizeof full) {
    std::memset(reinterpret_cast<char*>(out) + sizeof full, 0, full.size - sizeof full);
  }
  return {};
}

}  // namespace iommucheck::oracle
