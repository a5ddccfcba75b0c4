// SPDX-License-Identifier: MIT
// Files that comments and documents name are there.
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tests/docs/tree.h"

namespace iommucheck::test::signposts_test {
namespace {

namespace fs = std::filesystem;

struct Files {
  std::set<std::string> paths, names;  ///< from the root of the tree on; without their folders
};

Files files_of_tree() {
  Files files;
  for (auto at = fs::recursive_directory_iterator(tree()); at != fs::recursive_directory_iterator();
       ++at) {
    const std::string path = fs::relative(at->path(), tree()).generic_string();
    if (path == "build" || path == "out" || path == ".git") at.disable_recursion_pending();
    if (!at->is_regular_file()) continue;
    files.paths.insert(path);
    files.names.insert(at->path().filename().string());
  }
  return files;
}

/// A word that names a file of this tree: a source or document, by its path from the root of the
/// tree, from an include folder, or, where the file is near, by its name alone. Headers of others
/// have names of their own, so they count only with a folder of this tree. NAME stands for any.
bool is_gone(const Files& files, const std::string& word) {
  const fs::path path(word);
  const std::string name = path.filename().string();
  const bool has_folder = path.has_parent_path();
  const bool ours = has_folder && fs::is_directory(tree() / *path.begin());
  if (name.find("NAME") != std::string::npos || name.starts_with("_")) return false;
  if (path.extension() == ".h" && !ours) return false;
  if (has_folder && !ours) return false;
  if (!has_folder) return !files.names.contains(name);
  return !files.paths.contains(word) && !files.paths.contains("include/" + word);
}

std::vector<std::string> named_in(const std::string& text) {
  static const std::regex word(
      R"((?:^|[^\w./-])((?:[A-Za-z_0-9-]+/)*[A-Za-z_0-9-]+\.(?:cpp|def|md|h))(?![\w/]|\.in\b))");
  std::vector<std::string> words;
  for (std::sregex_iterator at(text.begin(), text.end(), word), end; at != end; ++at)
    words.push_back((*at)[1].str());
  return words;
}

std::string gone_in(const Files& files, const std::string& path) {
  const bool document = path.ends_with(".md");
  std::string gone;
  std::ifstream in(tree() / path);
  unsigned number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const std::size_t comment = line.find("//");
    if (!document && comment == std::string::npos) continue;
    for (const std::string& word : named_in(document ? line : line.substr(comment))) {
      if (is_gone(files, word)) gone += path + ":" + std::to_string(number) + ": " + word + "\n";
    }
  }
  return gone;
}

TEST(Signposts, FilesThatAreNamedAreThere) {
  const Files files = files_of_tree();
  static const std::regex looked_at(
      R"((?!CHANGELOG|tests/data/|data/|examples/).*\.(cpp|h|def|md))");
  std::string gone;
  for (const std::string& path : files.paths) {
    if (std::regex_match(path, looked_at)) gone += gone_in(files, path);
  }
  EXPECT_EQ(gone, "");
}

TEST(Signposts, OneThatPointsAtNothingIsSeen) {
  const Files files = files_of_tree();
  EXPECT_EQ(named_in("as monitor/monitor.h says (spec/nothing.cpp), and sweep.cpp"),
            (std::vector<std::string>{"monitor/monitor.h", "spec/nothing.cpp", "sweep.cpp"}));
  EXPECT_FALSE(is_gone(files, "monitor/monitor.h"));
  EXPECT_FALSE(is_gone(files, "iommucheck/driver.h"));
  EXPECT_FALSE(is_gone(files, "linux/iommu.h"));
  EXPECT_TRUE(is_gone(files, "spec/nothing.h"));
  EXPECT_TRUE(is_gone(files, "a_file_that_was.cpp"));
}

}  // namespace
}  // namespace iommucheck::test::signposts_test
