// SPDX-License-Identifier: MIT
// A case as it ran on a device: what happened is a trace.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "trace/event.h"

namespace iommucheck::oracle {

struct Run {
  trace::Trace trace;
  std::vector<std::size_t> step_of;  ///< of each event: number of its step
  std::string death;                 ///< how the device died; empty if it lives
  std::size_t answered = 0;          ///< events before the first whose answer did not come any more
};

}  // namespace iommucheck::oracle
