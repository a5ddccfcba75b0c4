// SPDX-License-Identifier: MIT
// Cases one after the other in one process, as a worker runs them: for what shows only behind
// others, and for running a trace's cases again.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "check/lockstep.h"
#include "check/sequence.h"

namespace iommucheck::oracle {

struct CasesResult {
  std::string failed;             ///< why the driver did not come up; empty if it did
  std::vector<Finding> findings;  ///< of the last case
  u64 hash = 0;                   ///< of the last case's events
};

/// Boots the driver and runs the cases, each from the booted state. The trace has all of them, with
/// a DriverPhase `restored` between two, and goes to `stream`, each line as it happens; -1: nobody
/// gets it.
CasesResult run_cases(const iommucheck_driver& driver, const LockstepOptions& lockstep,
                      std::span<const Sequence> cases, int stream = -1);

/// Of each case's events; the cases run one after the other, or (`forked`) each in a copy of the
/// process as the driver's boot left it. Empty if the driver does not come up. LockstepOptions::
/// guard_window has to be off where they are forked. It ends behind the first that differs from
/// `expected`, where that is not empty.
std::vector<u64> hashes_of(const iommucheck_driver& driver, const LockstepOptions& lockstep,
                           std::span<const Sequence> cases, bool forked,
                           std::span<const u64> expected);

/// What the header of a trace says of the cases in it, so that they can be run again.
void put_cases(trace::Header& header, std::span<const Sequence> cases);
/// Nothing where it does not say any; bad_input where they are of a codec that nobody knows.
Expected<std::vector<Sequence>> cases_of(const trace::Header& header);

}  // namespace iommucheck::oracle
