// SPDX-License-Identifier: MIT
// What a driver offers of the interface, and what follows for a run: rules that say nothing of a
// driver without the calls that they are about, and in words what was judged.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "check/machine.h"
#include "host/driver_host.h"
#include "monitor/rule_verdicts.h"

namespace iommucheck::oracle {

/// A bit for each call that the driver has (spec::sva::CallKind), and the ones below for what
/// nobody calls but the environment.
using Abilities = u64;
constexpr Abilities has_handle_irq = u64{1} << 63;
constexpr Abilities has_mm_release = u64{1} << 62;
constexpr Abilities has_shutdown = u64{1} << 61;

Abilities abilities_of(const DriverHost& host);

/// A rule that was not exercised since the driver lacks every call that it is about is not claimed:
/// "the driver has no bind_device". One that it could have come to stays what it is.
void tell_missing_calls(std::vector<RuleCount>& rules, Abilities abilities);

/// "stage 1, PASIDs, ATS, stalls": what the machines had and the driver could use, or "no PASID".
std::string scope_text(Abilities abilities, std::span<const Machine> machines);

}  // namespace iommucheck::oracle
