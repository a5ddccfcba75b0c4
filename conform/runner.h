// SPDX-License-Identifier: MIT
// Runs the steps of a case on a device; what happened is a trace.
#pragma once

#include "conform/case.h"
#include "trace/event.h"

namespace iommucheck::oracle {

struct Run {
  trace::Trace trace;
  std::vector<std::size_t> step_of;  ///< of each event: number of its step
  std::string death;                 ///< how the device died; empty if it lives
  std::size_t answered = 0;          ///< events before the first whose answer did not come any more
};

/// Errors: environment: the device cannot be brought back.
Expected<Run> run_case(DeviceUnderTest& device, const Case& what);

}  // namespace iommucheck::oracle
