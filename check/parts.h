// SPDX-License-Identifier: MIT
// A run is parts of some thousand sequences, each a run of its own with the driver booted anew. So
// they can run side by side, in processes of their own, and the result is the same for any number
// of them: parts are taken together in their order, and what lies behind the end is not looked at.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "check/campaign.h"
#include "check/check.h"

namespace iommucheck::oracle {

/// What a part came to. Rules and machines of `result` are made of all parts' numbers together.
struct Part {
  CheckResult result;
  Tally tally;
  u64 next = 0;                        ///< the sequence behind the last one that was run
  std::vector<FirstSeen::Pair> novel;  ///< what its sequences showed first, where that is asked for
};

/// Whether sequences are to be noted for a corpus.
inline bool is_noted(const CheckOptions& options) { return !options.corpus.empty(); }

std::string encode(const Expected<Part>& part);
/// environment if the bytes are none of encode().
Expected<Part> decode_part(std::string_view bytes);

/// Runs the sequences that the options say, in this process.
using RunPart = std::function<Expected<Part>(const CheckOptions&)>;

/// `options.jobs` parts at a time. Errors as run_check.
Expected<CheckResult> run_parts(const CheckOptions& options, const RunPart& run);

}  // namespace iommucheck::oracle
