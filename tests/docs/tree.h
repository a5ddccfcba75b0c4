// SPDX-License-Identifier: MIT
// The tree that documents speak of.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "tests/places.h"

namespace iommucheck::test {

inline const std::filesystem::path& tree() {
  static const std::filesystem::path root = in_tree();
  return root;
}

/// Empty if there is no such file.
inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Sections of the manual that there are: "3.21.1".
inline std::set<std::string> manual_sections() {
  std::set<std::string> sections;
  std::ifstream in(tree() / "docs/ihi0070-sections.txt");
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.front() != '#') sections.insert(line);
  }
  return sections;
}

}  // namespace iommucheck::test
