// SPDX-License-Identifier: MIT
// What a device did beside accesses and records, and may not. A judge of one subject finds it
// (interrupts, page requests, invalidations at its endpoints); CaseJudge makes a divergence of it.
#pragma once

#include <string>

#include "spec/rules.h"

namespace iommucheck::oracle {

struct Wrong {
  spec::Rule rule{};
  std::string kind;  ///< what is the same in each case
  std::string text;
};

}  // namespace iommucheck::oracle
