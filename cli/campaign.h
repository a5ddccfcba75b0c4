// SPDX-License-Identifier: MIT
// What a campaign of `check` reads and leaves beside its verdict: sequences that are given, the
// corpus, the file of known findings, seeds for the fuzz target.
#pragma once

#include <string>
#include <vector>

#include "check/check.h"
#include "cli/options.h"

namespace iommucheck::cli {

/// Sequences and known findings, into the settings. `unread` gets files of the corpus that are no
/// sequences. bad_input for a file that was named, environment for a folder.
Expected<void> load_campaign(const CheckCommand& options, oracle::CheckOptions& settings,
                             std::vector<std::string>& unread);

/// What became of the corpus and of what is known, as lines.
std::vector<std::string> campaign_lines(const CheckCommand& options,
                                        const oracle::CheckResult& result);

/// Writes the file of known findings and makes the corpus smaller, where that is asked for.
/// environment.
Expected<void> finish_campaign(const CheckCommand& options, const oracle::CheckOptions& settings,
                               const oracle::CheckResult& result);

/// `check --to-corpus`. The exit status.
int write_check_seeds(const CheckCommand& options, const oracle::CheckOptions& settings);

}  // namespace iommucheck::cli
