// SPDX-License-Identifier: MIT
// What scenarios ask for that not everybody has: one table for drivers, backends and the
// specification. What a subject has not got is a need: neither passed nor failed, and no verdict.
#pragma once

#include <string>
#include <vector>

#include "scenario/format/ast.h"
#include "scenario/run/subject.h"

namespace iommucheck::oracle::stories {

/// Each name once, "iopf=pri" or the name of a call; empty: it can be run.
std::vector<std::string> needs_of(const scenario::Scenario& scenario, const World& world,
                                  Subject& subject);

}  // namespace iommucheck::oracle::stories
