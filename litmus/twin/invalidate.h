// SPDX-License-Identifier: MIT
// What a command covers (SEMANTICS 3, arch 5.2 and 5.3). Only what it must remove is removed.
#pragma once

#include "litmus/twin/facts.h"
#include "litmus/twin/state.h"

namespace iommucheck::litmus::twin {

/// CERROR_ILL: it kills nothing and counts as the CMD_SYNC that replaces it.
bool is_illegal(const Command& command);

/// The command covers it.
bool removes(const Command& command, const Item& item);
bool removes(const Command& command, const Structure& structure);

/// The moment of the command: all that it covers dies.
void act(const Command& command, State& state);

}  // namespace iommucheck::litmus::twin
