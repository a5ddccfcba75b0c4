// SPDX-License-Identifier: MIT
// How many random cases a test draws. Properties of rapidcheck have their number from RC_PARAMS,
// which `./dev test` sets by the same choice.
#pragma once

#include <cstdlib>

#include "base/types.h"

namespace iommucheck::test {

/// `few`, with which all that has to be found is found; `many` in `./dev test --long`.
inline u64 cases(u64 few, u64 many) {
  return std::getenv("IOMMUCHECK_LONG") == nullptr ? few : many;
}

}  // namespace iommucheck::test
