// SPDX-License-Identifier: MIT
// Words for RapidCheck properties. arbitrary<u64>() alone grows with the size of the case and
// rarely sets a high bit.
#pragma once

#include <rapidcheck/gtest.h>

#include "base/types.h"

namespace iommucheck {

inline u64 any_word() { return *rc::gen::resize(rc::kNominalSize, rc::gen::arbitrary<u64>()); }

/// About one bit in sixteen.
inline u64 few_bits() { return any_word() & any_word() & any_word() & any_word(); }

}  // namespace iommucheck
