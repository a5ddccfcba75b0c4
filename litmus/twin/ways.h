// SPDX-License-Identifier: MIT
// Why an access may end so, as far as the literal model can say it: which cache the outcome hangs
// on. What was stored where, and which command nearly did, only the engine knows (litmus/fast.h).
#pragma once

#include "litmus/judgement.h"
#include "litmus/twin/judge.h"

namespace iommucheck::litmus::twin {

/// One way to the outcome, which is one of outcomes(facts, state, by).
Way way_to(const Facts& facts, const State& state, const Transaction& by, const Outcome& outcome);

}  // namespace iommucheck::litmus::twin
