// SPDX-License-Identifier: MIT
// Standard output where it is a terminal: report/terminal_text.h.
#pragma once

#include <cstddef>
#include <cstdio>
#include <string>

#include "report/terminal_text.h"

namespace iommucheck::cli {

/// While it lives, what is printed to stdout is shown so: lines folded to the terminal's width, at
/// most 100 columns, in colour unless NO_COLOR says otherwise. Where stdout is a file or a pipe it
/// does nothing.
class TerminalOutput {
 public:
  TerminalOutput();
  ~TerminalOutput();
  TerminalOutput(const TerminalOutput&) = delete;
  TerminalOutput& operator=(const TerminalOutput&) = delete;
  /// What was printed is written; false if it cannot be.
  bool flush();

 private:
  void put(std::string_view text);
  void write_out(std::string_view text);

  oracle::TerminalForm form_;
  std::FILE* before_ = nullptr;  // null: it is no terminal
  int process_ = 0;              // children's output is theirs
  bool failed_ = false;
  std::string begun_;  // of a line whose end was not printed yet
};

}  // namespace iommucheck::cli
