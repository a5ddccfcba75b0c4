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
  bool e2h = false;        ///< CR2.E2H
  bool e2h_open = false;   ///< which may have either value
  /// Without a PASID an endpoint leaves what has one.
  bool untagged_leaves_pasids = false;
};

/// It names a VMID, so that it need not remove anything where CR0.VMW changes meanwhile.
bool names_vmid(const Command& command);

/// The command covers it.
bool removes(const Acting& by, const Item& item);
bool removes(const Acting& by, const Structure& structure);

/// A device gives it up by the CMD_ATC_INV, if only a part of it; the SMMU ignores the command
/// where SMMUEN is not 1 for sure.
bool removes(const Acting& by, const AtcEntry& entry, const State& state);

/// The moment of the command: all that it covers dies.
void act(const Acting& by, State& state);

}  // namespace iommucheck::litmus::twin
