// SPDX-License-Identifier: MIT
// Other programs, run to their end.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace iommucheck::cli {

/// Runs a program, with variables in its environment beside those of this one. Its exit status;
/// 127 if there is no such program, which `command` of this one says on stderr; 128 + N if a signal
/// ended it.
int run_program(const std::string& command, const std::vector<std::string>& arguments,
                const std::vector<std::pair<std::string, std::string>>& environment = {});

/// What it prints on stdout, without ends of lines at its end; stderr goes nowhere. Nothing where
/// it fails.
std::optional<std::string> output_of(const std::vector<std::string>& arguments);

/// The program that this is.
std::filesystem::path this_program();

/// A file or folder that comes with the program, by its name in the source tree: beside the
/// installed program (share/iommucheck), or in the tree that it was built in. Empty: in neither.
std::filesystem::path shipped(const std::filesystem::path& name);

}  // namespace iommucheck::cli
