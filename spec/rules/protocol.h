// SPDX-License-Identifier: MIT
// Queues and registers: what a driver, and a device, keep there.
#pragma once

#include "spec/rules.h"

#define RULE_AREA protocol
#define RULE_LIST "spec/rules/protocol.def"
#include "spec/rules/area.inc"
