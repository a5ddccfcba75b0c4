// SPDX-License-Identifier: MIT
// What every outcome that hardware may give is held against, and how tables and configuration
// change meanwhile.
#pragma once

#include "spec/rules.h"

#define RULE_AREA promises
#define RULE_LIST "spec/rules/promises.def"
#include "spec/rules/area.inc"
