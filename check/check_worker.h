// SPDX-License-Identifier: MIT
// The worker of a check: the campaign, in a process that the driver may kill. What it does it tells
// at once, so that a death takes nothing with it.
#pragma once

#include "base/clock.h"
#include "check/check.h"
#include "check/novelty.h"
#include "process/isolate.h"

namespace iommucheck::oracle {

/// What it returns.
inline constexpr int worker_done = 0;
inline constexpr int worker_stopped = 1;
inline constexpr int worker_failed = 2;

/// From slot_next (worker_report.h) on. `started`: the run; `seen` may be null.
int run_worker(SharedReport& report, const CheckOptions& options, Clock::time_point started,
               FirstSeen* seen);

}  // namespace iommucheck::oracle
