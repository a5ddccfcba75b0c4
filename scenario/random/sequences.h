// SPDX-License-Identifier: MIT
// Many random scenarios on one subject: which rules they break, each with a short scenario that
// breaks it alone.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "scenario/random/alone.h"
#include "scenario/random/draw.h"

namespace iommucheck::oracle::stories {

struct SequencesOptions {
  u64 seed = 1;
  u64 from = 0;        ///< number of the first sequence
  u64 runs = 0;        ///< 0: what the time allows
  double seconds = 0;  ///< 0: no limit
  DrawOptions draw{};
  u32 shrink_runs = 600;  ///< for each rule that is found broken
  std::function<void(u64 runs, u64 findings)> progress{};
};

struct SequenceFinding {
  spec::Rule rule{};
  u64 sequence = 0;                ///< the first that broke it
  u64 times = 0;                   ///< sequences that did
  std::vector<std::string> lines;  ///< the shortest scenario that was found
  StepFailure failure;             ///< of it
};

struct SequencesResult {
  std::vector<SequenceFinding> findings;  ///< by rule, in the order in which they were found
  u64 runs = 0;
  u64 whole = 0;                   ///< that were run to their end, or to a finding
  u64 cut_short = 0;               ///< a call that gives a name failed, as it may
  u64 undecided = 0;               ///< a bound of the specification was hit
  std::vector<std::string> needs;  ///< what some needed that is not there, each once
  bool stopped = false;
  bool time_was_over = false;
};

/// Errors: those of run_alone(), but for the stop.
Expected<SequencesResult> run_sequences(const AloneOptions& subject,
                                        const SequencesOptions& options);

}  // namespace iommucheck::oracle::stories
