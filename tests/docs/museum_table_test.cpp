// SPDX-License-Identifier: MIT
// docs/museum.md says of each public bug what shows its kind here. Each name is one that exists,
// and each entry of the museum stands where it says it comes from.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <vector>

#include "tests/docs/tree.h"

namespace iommucheck::museum_table_test {
namespace {

namespace fs = std::filesystem;
using test::read_file;
const fs::path& root = test::tree();

/// By the bug's number; several where a number stands twice.
using Table = std::multimap<std::string, std::string>;

Table rows_of(const std::string& page) {
  static const std::regex row(R"(\n\| (M[0-9]+) \| [^|\n]+ \| ([^|\n]+) \|(?=\n))");
  Table rows;
  for (std::sregex_iterator one(page.begin(), page.end(), row), end; one != end; ++one) {
    rows.emplace((*one)[1], (*one)[2]);
  }
  return rows;
}

/// "museum:NAME" and the like.
std::vector<std::string> names_in(const std::string& cell) {
  static const std::regex name(R"(`([a-z]+:[^`]+)`)");
  std::vector<std::string> names;
  for (std::sregex_iterator one(cell.begin(), cell.end(), name), end; one != end; ++one) {
    names.push_back((*one)[1]);
  }
  return names;
}

/// All files of a folder whose name ends so, one behind the other.
std::string texts_in(const fs::path& folder, const std::string& ending) {
  std::string all;
  for (const auto& file : fs::recursive_directory_iterator(folder)) {
    if (file.path().string().ends_with(ending)) all += read_file(file.path());
  }
  return all;
}

/// "museum:NAME" and the like.
bool is_here(const std::string& name) {
  static const std::string mutants = texts_in(root / "mutants", ".mutants");
  static const std::string devices = read_file(root / "tests/conform/conform_support.h");
  static const std::string tests = texts_in(root / "tests", "_test.cpp");
  const std::size_t colon = name.find(':');
  const std::string kind = name.substr(0, colon);
  std::string what = name.substr(colon + 1);
  if (kind == "museum") return fs::exists(root / "tests/museum" / (what + ".patch"));
  if (kind == "mutant") return mutants.find("\n[" + what + "] ") != std::string::npos;
  if (kind == "device") return devices.find("\n  " + what + ", ") != std::string::npos;
  const std::size_t dot = what.find('.');
  if (kind != "test" || dot == std::string::npos) return false;
  return tests.find("(" + what.replace(dot, 1, ", ") + ")") != std::string::npos;
}

/// What is wrong with a table; empty: nothing.
std::vector<std::string> mistakes(const Table& rows) {
  std::vector<std::string> wrong;
  for (const auto& [id, cell] : rows) {
    if (rows.count(id) != 1) wrong.push_back(id + " stands twice");
    const std::vector<std::string> names = names_in(cell);
    if (names.empty() != cell.starts_with("Not here: ")) {
      wrong.push_back(id + " has to have a name, or a reason that begins with \"Not here: \"");
    }
    for (const std::string& name : names) {
      if (!is_here(name)) wrong.push_back(id + " names what is not here: " + name);
    }
  }
  return wrong;
}

TEST(MuseumTable, NamesWhatIsHere) {
  const Table rows = rows_of(read_file(root / "docs/museum.md"));
  EXPECT_EQ(rows.size(), 84U);
  for (const std::string& wrong : mistakes(rows)) ADD_FAILURE() << wrong;
}

TEST(MuseumTable, HasEachEntryWhereItComesFrom) {
  const Table rows = rows_of(read_file(root / "docs/museum.md"));
  static const std::regex number("M[0-9]+");
  for (const auto& file : fs::directory_iterator(root / "tests/museum")) {
    if (file.path().extension() != ".json") continue;
    const nlohmann::json entry = nlohmann::json::parse(read_file(file.path()));
    const auto name = entry.at("id").get<std::string>();
    EXPECT_EQ(name, file.path().stem().string());
    for (const nlohmann::json& origin : entry.at("origin")) {
      const auto id = origin.at("id").get<std::string>();
      if (!std::regex_match(id, number)) continue;
      const auto row = rows.find(id);
      ASSERT_NE(row, rows.end()) << name << " comes from " << id << ", which has no row";
      EXPECT_NE(row->second.find("`museum:" + name + "`"), std::string::npos)
          << "the row of " << id << " lacks " << name;
    }
  }
}

TEST(MuseumTable, ThatIsWrongIsFound) {
  const auto count = [](const std::string& text) { return mistakes(rows_of(text)).size(); };
  EXPECT_EQ(count("\n| M1 | a | `museum:no_cmd_sync`, `device:takes_illegal`. Why |\n"), 0U);
  EXPECT_EQ(count("\n| M1 | a | Not here: no PRI |\n"), 0U);
  EXPECT_EQ(count("\n| M1 | a | `museum:no_such_driver` |\n"), 1U);
  EXPECT_EQ(count("\n| M1 | a | `mutant:takes_illegal` |\n"), 1U);
  EXPECT_EQ(count("\n| M1 | a | somewhere |\n"), 1U);
  EXPECT_EQ(count("\n| M1 | a | Not here: but for `museum:no_cmd_sync` |\n"), 1U);
  EXPECT_EQ(count("\n| M1 | a | `museum:no_cmd_sync` |\n| M1 | b | `museum:no_cmd_sync` |\n"), 2U);
}

}  // namespace
}  // namespace iommucheck::museum_table_test
