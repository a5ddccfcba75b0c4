// SPDX-License-Identifier: MIT
// A trace up to a finding as a timeline: report/timeline.h.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "monitor/finding.h"
#include "monitor/trace_judge.h"
#include "report/timeline.h"

namespace iommucheck::oracle {

struct TimelineOf {
  std::string trace;         ///< plain, .gz or .zst
  std::optional<u64> event;  ///< of the finding; absent: of the first one, or the end
  std::size_t steps_max = 300;
  MakeHardware hardware{};  ///< of a trace of hardware that is no SMMUv3
};

/// Its last steps, and the finding that it came to, if it came to one. Errors: as explain_trace.
struct TimelineFound {
  Timeline timeline;
  std::optional<Violation> finding;
};
Expected<TimelineFound> timeline_of(const TimelineOf& what);

}  // namespace iommucheck::oracle
