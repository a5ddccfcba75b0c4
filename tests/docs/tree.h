// SPDX-License-Identifier: MIT
// The tree that documents speak of.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace iommucheck::test {

inline const std::filesystem::path& tree() {
  static const std::filesystem::path root = IOMMUCHECK_SOURCE_DIR;
  return root;
}

/// Empty if there is no such file.
inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace iommucheck::test
