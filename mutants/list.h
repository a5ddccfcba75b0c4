// SPDX-License-Identifier: MIT
// Lists of mutants: what a plausible programmer gets wrong, line by line. The format:
//
//   [id] path/of/file
//   what: one line, what is wrong then
//   after: text            only where the fragment alone occurs more than once: a text that occurs
//                          once; the fragment is the first one behind it
//   - fragment             exactly as in the file, but for blanks; may have several lines
//   + replacement          several lines, or none: the statement is left out
//   equivalent: reason     nothing can tell it from the original, and why
//
// A fragment that ends in ; or } is a statement, any other one an expression. Lines that begin with
// # are comments. An id is a word; the folder of the file says what the mutant belongs to.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace iommucheck::mutants {

std::string_view without_blanks_around(std::string_view text);

struct Mutant {
  std::string id;
  std::string file;
  std::string what;
  std::string after;
  std::string original;
  std::string replacement;
  std::string equivalent;  ///< the reason; empty: it can be killed
  std::string place;       ///< "spec.mutants:12", for messages

  [[nodiscard]] bool is_statement() const;
};

/// What a mutant belongs to, by the first folder of its file.
enum class Part { specification, harness, driver };
inline constexpr Part parts[] = {Part::specification, Part::harness, Part::driver};
std::string_view part_name(Part part);
Part part_of(const Mutant& mutant);

/// One list; `name` is that of the file, for messages.
Expected<std::vector<Mutant>> read_list(std::string_view name, std::string_view text);

/// All `*.mutants` of a folder, in the order of their names. An id stands once in all of them.
Expected<std::vector<Mutant>> read_folder(const std::string& folder);

Expected<std::string> read_text(const std::string& path);

}  // namespace iommucheck::mutants
