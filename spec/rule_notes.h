// SPDX-License-Identifier: MIT
#pragma once

#include <string_view>

#include "spec/rules.h"

namespace iommucheck::spec {

/// What usually breaks the rule, what follows, and what to do; empty where its sentence says all.
std::string_view rule_note(Rule rule);

}  // namespace iommucheck::spec
