// SPDX-License-Identifier: MIT
// Files that the program carries: litmus tests, what the museum's drivers are, what `init` writes,
// and the sources of what `cc` links into plug-ins.
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
