// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <vector>

#include "scenario/format/ast.h"
#include "scenario/run/subject.h"

namespace iommucheck::oracle::stories {

/// What the scenario uses that the subject has not got, each name once, in the order of its use.
std::vector<std::string> needs_of(const scenario::Scenario& scenario, const World& world,
                                  Subject& subject);

}  // namespace iommucheck::oracle::stories
