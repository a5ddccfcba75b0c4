// SPDX-License-Identifier: MIT
// Sequences that somebody gives: lines of operations (FILE.ops), inputs of the fuzz target, traces
// that check has written, and folders of these. A corpus is such a folder; what a run adds to it is
// named by its content. Lines are the form that stays: inputs and traces are of a codec, of which
// earlier ones are read as well (operations/older_words.h).
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "check/sequence.h"

namespace iommucheck::oracle {

struct GivenCase {
  std::string path;
  Sequence sequence;
};

/// The sequence as lines, with a last line "end whole_space teardown" for its ends.
std::string print(const Sequence& sequence);
/// The inverse. bad_input with "name:line:column".
Expected<Sequence> parse_sequence(std::string_view text, std::string_view name);

/// How the fuzz target ends an input: by the input alone, so that it shows the same when run again.
Lockstep::Ends ends_of_input(std::span<const u8> bytes);
/// Which of so many machines the target runs an input on, by a last byte that belongs to no
/// operation; 0 without one.
u32 machine_of_input(std::span<const u8> bytes, u32 machines);

/// Lines or an input of the fuzz target, as the file begins; of a trace its last case. bad_input,
/// with the place.
Expected<GivenCase> read_given(const std::string& path);

struct GivenFolder {
  std::vector<GivenCase> cases;     ///< short ones first, then by name
  std::vector<std::string> unread;  ///< files that are none of these, in words
};
/// Every file of the folder but hidden ones; a folder that is not there is empty. environment if it
/// cannot be read.
Expected<GivenFolder> read_folder(const std::string& folder);

/// FOLDER/<16 digits>.ops, by the content of the sequence.
std::string corpus_path(const std::string& folder, const Sequence& sequence);
/// Whether the file has such a name, and so is one that a run has written.
bool is_of_a_run(const std::string& path);
/// Writes it there if it is not there yet. environment.
Expected<void> keep(const std::string& folder, const Sequence& sequence);

}  // namespace iommucheck::oracle
