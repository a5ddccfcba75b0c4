// SPDX-License-Identifier: MIT
// Files that the program carries: litmus tests, and what the museum's drivers are.
#pragma once

#include <string_view>
#include <vector>

namespace iommucheck::cli {

struct EmbeddedFile {
  std::string_view name;  ///< in the source tree
  std::string_view text;
};

std::vector<EmbeddedFile> embedded_files();

}  // namespace iommucheck::cli
