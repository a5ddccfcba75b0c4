// SPDX-License-Identifier: MIT
// What is allowed, and which rules are broken, in one state of one schedule. SEMANTICS 2 and 4.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "litmus/twin/facts.h"
#include "litmus/twin/state.h"

namespace iommucheck::litmus::twin {

/// Who accesses what.
struct Transaction {
  u64 sid = 0;
  std::optional<u64> ssid;
  u64 va = 0;
  Kind kind;
  bool ats = false;  ///< by the ATC, or by a request whose answer is used at once
};

/// An outcome and what it was translated by: a CMD_SYNC after a command that covers one of these
/// waits for the transaction.
struct Outcome {
  std::string text;
  std::optional<u64> pa;  ///< what is reached
  std::vector<Structure> configuration;
  std::vector<Item> items;
  std::set<Mark> marks;  ///< flags that hardware has changed for it
};

/// All outcomes of a transaction that is translated now, with repetitions; "any" among them is not
/// yet reduced to it alone.
std::vector<Outcome> outcomes(const Facts& facts, const State& state, const Transaction& by);

/// What the ATC may hold that such an access uses.
std::vector<AtcEntry> usable(const State& state, const Transaction& by);

/// Of a Translated access by such an entry that comes to the SMMU now.
std::vector<Outcome> outcomes_of_translated(const Facts& facts, const State& state,
                                            const Transaction& by, const AtcEntry& entry);

/// By which stage a write through a writable-clean translation may mark its descriptor dirty: where
/// memory still has that descriptor.
struct DirtyAgain {
  bool stage1 = false;
  bool stage2 = false;
};
DirtyAgain dirty_again(const State& state, const Regime& regime, const Item& item);

/// Families broken by what can be reached and what lives now.
void judge_state(const Facts& facts, const State& state, std::set<std::string>& broken);

/// What software may read of a descriptor after the last step: "af0", "af+dirty", ...
std::set<std::string> loads(const Facts& facts, const State& state, u64 pa);

/// The address lies in a page that was released.
bool is_released(const State& state, u64 pa);

/// A plain store of a valid descriptor over one that hardware may update now.
bool loses_update(const State& state, const WriteAction& write);

/// Something living or reachable still leads to this memory as a table.
bool leads_to(const Facts& facts, const State& state, u64 pa, u64 bytes);

}  // namespace iommucheck::litmus::twin
