// SPDX-License-Identifier: MIT
// What docs/interface.md says of each call and nobody writes by hand: its arguments, and each
// answer that the interface permits, with its reason.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "scenario/run/coverage.h"

namespace iommucheck::oracle::stories {

struct CallChapter {
  std::string call;
  std::string text;  ///< Markdown, with a newline at the end
};

/// Of each call that is built, in the order of base/calls.def. `lines` as coverage_of() gives them.
std::vector<CallChapter> call_chapters(std::span<const CoverageLine> lines);

}  // namespace iommucheck::oracle::stories
