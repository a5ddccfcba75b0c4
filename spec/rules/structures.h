// SPDX-License-Identifier: MIT
// Stream table entries, context descriptors, and the way to them.
#pragma once

#include "spec/rules.h"

#define RULE_AREA structures
#define RULE_LIST "spec/rules/structures.def"
#include "spec/rules/area.inc"
