// SPDX-License-Identifier: MIT
// What docs/interface.md says of each call and nobody writes by hand: its arguments, each answer
// that the interface permits, and the scenario that shows it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "scenario/run/coverage.h"

namespace iommucheck::oracle::stories {

struct CallChapter {
  std::string call;
  std::string text;  ///< Markdown, with a newline at the end
};

/// Of each call that is built, in the order of base/calls.def. `lines` as coverage_of() gives them.
std::vector<CallChapter> call_chapters(std::span<const CoverageLine> lines);

/// `document` with the text of each chapter in its place: between "<!-- begin CALL -->" and
/// "<!-- end CALL -->". A chapter without a place is named in `missing`.
std::string with_chapters(std::string document, std::span<const CallChapter> chapters,
                          std::vector<std::string>& missing);

/// Calls whose chapter lacks what only people can say: a sentence that begins with "Linux:".
std::vector<std::string> calls_without_linux(std::string_view document,
                                             std::span<const CallChapter> chapters);

}  // namespace iommucheck::oracle::stories
