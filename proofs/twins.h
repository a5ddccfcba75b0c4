// SPDX-License-Identifier: MIT
// The twins that twins.cmake has built: properties over code with one line broken.
#pragma once

#include "proofs/judge.h"

namespace iommucheck::proofs {

struct Twin {
  std::string broken;  ///< what was broken
  Property property;
};

std::vector<Twin> all_twins();

}  // namespace iommucheck::proofs
