// SPDX-License-Identifier: MIT
// Judges a trace: a finding of `check`, or a recording of a real driver.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "monitor/trace_judge.h"

namespace iommucheck::oracle {

struct ReplayProgress {
  u64 events = 0, findings = 0;
  double seconds = 0;
};

struct ReplayOptions {
  std::string trace;                                    ///< plain, .gz or .zst
  u32 findings_max = 20;                                ///< kept with evidence; all are counted
  std::function<void(const ReplayProgress&)> progress;  ///< may be empty
  std::function<bool()> stop;
  MakeHardware hardware;  ///< of a trace of hardware that is no SMMUv3
};

/// A trace in memory; `options.trace` is only its name (and where its table of symbols lies).
ReplayResult replay_trace(const trace::Trace& trace, const ReplayOptions& options = {});

/// Errors: bad_input with file, line and column; environment for files.
Expected<ReplayResult> run_replay(const ReplayOptions& options);

}  // namespace iommucheck::oracle
