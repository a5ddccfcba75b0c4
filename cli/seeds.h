// SPDX-License-Identifier: MIT
// Folders of seeds for the fuzzers (--to-corpus), and names for files.
#pragma once

#include <string>
#include <string_view>

namespace iommucheck::cli {

/// A name for a file from an ID, which may be any word.
std::string plain_name(std::string_view id);

/// Makes the folder where it is missing. An exit status, with the message on stderr.
int make_folder(std::string_view command, const std::string& folder);

/// Writes folder/name. An exit status, with the message on stderr.
int write_seed(std::string_view command, const std::string& folder, const std::string& name,
               std::string_view bytes);

}  // namespace iommucheck::cli
