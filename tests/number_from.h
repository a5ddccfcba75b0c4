// SPDX-License-Identifier: MIT
// Numbers of the environment, by which a test is run longer or from another seed.
#pragma once

#include <cstdlib>

#include "base/types.h"

namespace iommucheck::test {

/// What `name` says; `otherwise`: it says nothing.
inline u64 number_from(const char* name, u64 otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::strtoull(value, nullptr, 10);
}

}  // namespace iommucheck::test
