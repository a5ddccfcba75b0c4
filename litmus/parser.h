// SPDX-License-Identifier: MIT
// Reads and writes the litmus format. What cannot be read is an error that names file, line, column
// and word; nothing that is not understood is skipped.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "litmus/ast.h"

namespace iommucheck::litmus {

/// Reads the text of a file. `file` is used in messages; `beside` is the text of the
/// preludes.litmus next to it, empty if there is none. A `use` is looked for in the text itself
/// (anywhere in it), then in `beside`, then in the built-in copy.
/// Errors: ErrorCode::bad_input, message "FILE:LINE:COLUMN: 'WORD': what and what instead"; also
/// for more than 2,000 lines of init in one test, preludes included.
Expected<File> parse(std::string_view text, std::string_view file = "<text>",
                     std::string_view beside = {});

/// Reads a file and, where it exists, the preludes.litmus in the same folder.
/// Errors: as parse; ErrorCode::bad_input also where the file cannot be opened.
Expected<File> parse_file(const std::string& path);

/// The test as text that parses to an equal test, without `use`.
std::string print(const Test& test);
std::string print(const InitLine& line);
std::string print(const Step& step);
std::string print(const Command& command);

/// The copy of preludes.litmus that the program carries.
std::string_view built_in_preludes();

}  // namespace iommucheck::litmus
