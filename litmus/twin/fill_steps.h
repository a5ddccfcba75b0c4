// SPDX-License-Identifier: MIT
// The steps of fill().
#pragma once

#include "litmus/twin/facts.h"
#include "litmus/twin/state.h"

namespace iommucheck::litmus::twin {

void fill_configuration(const Facts& facts, State& state);
void fill_translations(const Facts& facts, State& state);
/// Each ATS request that an endpoint could make now, and its answer.
void fill_atcs(const Facts& facts, State& state);

}  // namespace iommucheck::litmus::twin
