// SPDX-License-Identifier: MIT
// Reads and writes scenarios. What cannot be read is an error that names file, line, column and
// word, and says what was expected; nothing that is not understood is skipped.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "scenario/format/ast.h"

namespace iommucheck::scenario {

/// A file, as far as it can be read.
struct Parsed {
  File file;                  ///< the scenarios without an error
  std::vector<Error> errors;  ///< the first one of each other scenario, or that of the whole file
};

/// The text of a file; `file` is used in messages. Names are checked as well (check.h).
/// Errors: ErrorCode::bad_input, message "FILE:LINE:COLUMN: 'WORD': what and what instead".
Expected<File> parse(std::string_view text, std::string_view file = "<text>");

/// Errors: as parse; bad_input where the file cannot be opened or is larger than 16 MiB.
Expected<File> parse_file(const std::string& path);

/// The same, with every scenario that can be read beside the errors of the others.
Parsed parse_all(std::string_view text, std::string_view file = "<text>");
Parsed parse_file_all(const std::string& path);

/// One scenario without the check of names.
Expected<File> parse_unchecked(std::string_view text, std::string_view file = "<text>");

}  // namespace iommucheck::scenario
