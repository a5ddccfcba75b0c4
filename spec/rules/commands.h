// SPDX-License-Identifier: MIT
// Commands and what they remove.
#pragma once

#include "spec/rules.h"

#define RULE_AREA commands
#define RULE_LIST "spec/rules/commands.def"
#include "spec/rules/area.inc"
