// SPDX-License-Identifier: MIT
// Events, page requests, interrupts, ID registers: what a device tells.
#pragma once

#include "spec/rules.h"

#define RULE_AREA records
#define RULE_LIST "spec/rules/records.def"
#include "spec/rules/area.inc"
