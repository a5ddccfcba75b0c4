// SPDX-License-Identifier: MIT
#include "tests/scenario/files_support.h"
#include "tests/places.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "scenario/format/parser.h"

namespace iommucheck::test {

const std::vector<std::string>& scenario_paths() {
  static const std::vector<std::string> paths = [] {
    std::vector<std::string> found;
    const std::string folder = test::in_tree("scenario/files");
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (entry.path().extension() == ".scenario") found.push_back(entry.path().string());
    }
    std::ranges::sort(found);
    return found;
  }();
  return paths;
}

const std::vector<scenario::Scenario>& all_scenarios() {
  static const std::vector<scenario::Scenario> scenarios = [] {
    std::vector<scenario::Scenario> found;
    for (const std::string& path : scenario_paths()) {
      auto file = scenario::parse_file(path);
      EXPECT_TRUE(file) << (file ? "" : file.error().message);
      if (file) found.insert(found.end(), file->scenarios.begin(), file->scenarios.end());
    }
    return found;
  }();
  return scenarios;
}

}  // namespace iommucheck::test
