// SPDX-License-Identifier: MIT
// All mutants in one source: each fragment becomes a switch between itself and its replacement.
//   expression  (on(7) ? (replacement) : (fragment))
//   statement   if (on(7)) { replacement } else { fragment }
// Fragments may lie in each other, so that several mutants share a line; they may not overlap.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mutants/list.h"

namespace iommucheck::mutants {

/// `text` of one file with all of `mutants`, which are that file's. A fragment that is not found
/// exactly once is an error: the list has to follow the tree.
Expected<std::string> weave(std::string_view text, const std::vector<Mutant>& mutants);

/// Each mutant against the file that it names; one message for each that does not fit.
std::vector<std::string> misfits(const std::string& root, const std::vector<Mutant>& mutants);

/// Copies the tree at `root` to `out` with all mutants woven in. Files whose text stays as it was
/// are not touched, so that a build of `out` does what changed.
Expected<void> weave_tree(const std::string& root, const std::string& out,
                          const std::vector<Mutant>& mutants);

/// The files of one folder of the tree alone, to `out`/`folder`.
Expected<void> weave_folder(const std::string& root, const std::string& folder,
                            const std::string& out, const std::vector<Mutant>& mutants);

}  // namespace iommucheck::mutants
