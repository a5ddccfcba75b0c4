// SPDX-License-Identifier: MIT
// Names of registers' fields, for those who say which bits of a value are wrong. IHI 0070 6.3.
#pragma once

#include <string>

#include "base/types.h"

namespace iommucheck::spec {

/// "SMMUEN, reserved bits": fields of the register at `offset` that any of `bits` lies in, from the
/// lowest on. Empty where nothing is known of its fields.
std::string field_names(u32 offset, u64 bits);

}  // namespace iommucheck::spec
