// SPDX-License-Identifier: MIT
// What a command covers (SEMANTICS 3, arch 5.2 and 5.3). Only what it must remove is removed.
#pragma once

#include "litmus/twin/facts.h"
#include "litmus/twin/state.h"

namespace iommucheck::litmus::twin {

/// CERROR_ILL: it kills nothing and counts as the CMD_SYNC that replaces it.
bool is_illegal(const Command& command);

/// A command at the moment at which it acts.
struct Acting {
  const Command& command;
  unsigned vmw = 0;        ///< CR0.VMW
  bool broadcast = false;  ///< by a CPU
};

/// It names a VMID, so that it need not remove anything where CR0.VMW changes meanwhile.
bool names_vmid(const Command& command);

/// The command covers it.
bool removes(const Acting& by, const Item& item);
bool removes(const Acting& by, const Structure& structure);

/// The moment of the command: all that it covers dies.
void act(const Acting& by, State& state);

}  // namespace iommucheck::litmus::twin
