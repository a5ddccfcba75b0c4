// SPDX-License-Identifier: MIT
// Judges a trace: a finding of `check`, or a recording of a real driver.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "oracle/check.h"
#include "oracle/monitor.h"

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
};

/// Why events are undetermined: the fact that the source does not give, and how many miss it.
struct MissingFact {
  std::string fact;
  u64 events = 0;
};

struct ReplayResult {
  std::string source;  ///< of the trace's header
  u64 events = 0;      ///< judged ones; notes are none
  u64 notes = 0;
  u64 accepted = 0, flagged = 0, undetermined = 0;  ///< sum: events
  double seconds = 0;
  bool stopped = false;
  std::vector<MissingFact> missing;
  std::vector<RuleCount> rules;
  std::vector<Violation> findings;
};

/// What a trace says of itself before its first event.
Setup setup_of(const trace::Header& header);

/// A trace in memory; `options.trace` is only its name (and where its table of symbols lies).
ReplayResult replay_trace(const trace::Trace& trace, const ReplayOptions& options = {});

/// Errors: bad_input with file, line and column; environment for files.
Expected<ReplayResult> run_replay(const ReplayOptions& options);

}  // namespace iommucheck::oracle
