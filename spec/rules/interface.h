// SPDX-License-Identifier: MIT
// Calls: results, PASIDs, faults, and what callers owe.
#pragma once

#include "spec/rules.h"

#define RULE_AREA interface
#define RULE_LIST "spec/rules/interface.def"
#include "spec/rules/area.inc"
