// SPDX-License-Identifier: MIT
// A trace up to one of its lines: the objects as they stand in memory then, and what an access may
// meet, with reasons.
#pragma once

#include <optional>
#include <string>

#include "base/error.h"
#include "base/types.h"
#include "monitor/trace_judge.h"

namespace iommucheck::oracle {

struct ExplainedAccess {
  u32 sid = 0;
  std::optional<u32> pasid;
  u64 va = 0;
};

struct ExplainTrace {
  std::string trace;        ///< plain, .gz or .zst
  std::optional<u64> line;  ///< the header is line 1; absent: of the first finding, or the end
  MakeHardware hardware{};  ///< of a trace of hardware that is no SMMUv3
  std::optional<ExplainedAccess> access{};  ///< draws its space only, and says what it may meet
};

/// What was asked for, as text. Errors: bad_input with file, line and column for the trace, and for
/// a line that it does not have; environment for files.
Expected<std::string> explain_trace(const ExplainTrace& what);

}  // namespace iommucheck::oracle
