// SPDX-License-Identifier: MIT
// A run of conform as tests ask for it: as long as it takes, with nothing known, each kind for
// itself.
#pragma once

#include <string>

#include "conform/conform.h"

namespace iommucheck::oracle {

/// `only`: a pattern of names; then no random cases.
inline ConformOptions options_of(u64 seed, u64 cases, const std::string& only = {}) {
  ConformOptions options;
  options.seed = seed;
  options.seconds = 0;
  options.cases = cases;
  options.random = only.empty();
  options.only = only;
  options.use_known = false;
  options.causes = false;
  return options;
}

}  // namespace iommucheck::oracle
