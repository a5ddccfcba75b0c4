// SPDX-License-Identifier: MIT
// What is allowed, and which rules are broken, in one state of one schedule. SEMANTICS 2 and 4.
#pragma once

#include <set>
#include <string>

#include "litmus/twin/facts.h"
#include "litmus/twin/state.h"

namespace iommucheck::litmus::twin {

/// All outcomes of the access, made now; "any" among them is not yet reduced to it alone.
std::set<std::string> outcomes(const Facts& facts, const State& state, const Access& access);

/// Families broken by what can be reached and what lives now.
void judge_state(const Facts& facts, const State& state, std::set<std::string>& broken);

/// A plain store of a valid descriptor over one that hardware may update now.
bool loses_update(const State& state, const WriteAction& write);

/// Something living or reachable still leads to this memory as a table.
bool leads_to(const Facts& facts, const State& state, u64 pa, u64 bytes);

}  // namespace iommucheck::litmus::twin
