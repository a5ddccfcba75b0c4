// SPDX-License-Identifier: MIT
// A line as a terminal shows it: folded between words, and what matters in colour. Files and pipes
// get lines as they are.
#pragma once

#include <string>
#include <string_view>

namespace iommucheck::oracle {

struct TerminalForm {
  std::size_t columns = 100;  ///< that a line may have
  bool colour = true;
};

/// `line`, without its end, as lines that are not longer than a word makes them; what goes on is
/// indented. A command, which is there to be copied, stays one line.
std::string folded(std::string_view line, std::size_t columns);
/// The same with verdicts and nearest misses in colour.
std::string terminal_text(std::string_view line, const TerminalForm& form);

}  // namespace iommucheck::oracle
