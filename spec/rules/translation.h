// SPDX-License-Identifier: MIT
// Walks of both stages, and what an access gets by them.
#pragma once

#include "spec/rules.h"

#define RULE_AREA translation
#define RULE_LIST "spec/rules/translation.def"
#include "spec/rules/area.inc"
