// SPDX-License-Identifier: MIT
// docs/specification.md sends a question to a file and a function. Each is there, under that name,
// and each chapter that it names is one of the manual.
#include <gtest/gtest.h>

#include <cctype>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/docs/tree.h"

namespace iommucheck::specification_table_test {
namespace {

namespace fs = std::filesystem;
using test::manual_sections;
using test::read_file;
const fs::path& root = test::tree();

/// Declared or defined: its line begins without a blank, as no call of it does.
bool declares(const std::string& text, const std::string& name) {
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || std::isalpha(static_cast<unsigned char>(line.front())) == 0) continue;
    if (line.find(' ' + name + '(') != std::string::npos) return true;
    for (const char* kind : {"struct ", "class ", "enum class "}) {
      if (line.starts_with(kind + name + ' ')) return true;
    }
  }
  return false;
}

/// What stands between backticks.
std::vector<std::string> names_in(const std::string& cell) {
  std::vector<std::string> names;
  for (std::size_t begin = cell.find('`'); begin != std::string::npos;) {
    const std::size_t end = cell.find('`', begin + 1);
    if (end == std::string::npos) break;
    names.push_back(cell.substr(begin + 1, end - begin - 1));
    begin = cell.find('`', end + 1);
  }
  return names;
}

/// The cells of "| a | b |": a, b.
std::vector<std::string> cells_of(const std::string& row) {
  std::vector<std::string> cells;
  std::istringstream in(row.substr(1));
  for (std::string cell; std::getline(in, cell, '|');) cells.push_back(cell);
  return cells;
}

struct Reading {
  std::size_t rows = 0;
  std::size_t pairs = 0;
  std::vector<std::string> wrong;
};

/// One row: | chapters | question | `file` `function`, `function`; `file` ... | answer |
void read_row(const std::string& row, Reading& reading) {
  static const std::set<std::string> sections = manual_sections();
  ++reading.rows;
  const std::vector<std::string> cells = cells_of(row);
  if (cells.size() != 4) return reading.wrong.push_back("not four cells: " + row);
  std::istringstream chapters(cells[0]);
  for (std::string chapter; chapters >> chapter;) {
    if (chapter.ends_with(',')) chapter.pop_back();
    if (!sections.contains(chapter)) reading.wrong.push_back("no section " + chapter);
  }
  std::string file;
  std::string text;
  std::size_t pairs = 0;
  for (const std::string& name : names_in(cells[2])) {
    if (name.find('/') != std::string::npos) {
      file = name;
      text = fs::is_regular_file(root / file) ? read_file(root / file) : "";
      if (text.empty()) reading.wrong.push_back("no file " + file);
    } else if (++pairs; !declares(text, name)) {
      reading.wrong.push_back("no " + name + " in " + file);
    }
  }
  if (pairs == 0) reading.wrong.push_back("no function named: " + row);
  reading.pairs += pairs;
}

/// The tables of a page that begin with "| manual |".
Reading read_tables(const std::string& page) {
  Reading reading;
  bool inside = false;
  std::istringstream in(page);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with('|')) {
      inside = false;
    } else if (line.starts_with("| manual |")) {
      inside = true;
    } else if (inside && !line.starts_with("|---")) {
      read_row(line, reading);
    }
  }
  return reading;
}

TEST(SpecificationTable, NamesFunctionsThatAreWhereItSays) {
  const Reading reading = read_tables(read_file(root / "docs/specification.md"));
  for (const std::string& wrong : reading.wrong) ADD_FAILURE() << wrong;
  EXPECT_GE(reading.rows, 13U + 20U);
  EXPECT_GE(reading.pairs, reading.rows);
}

TEST(SpecificationTable, OfAWrongPairIsNoticed) {
  const auto wrong = [](const std::string& chapters, const std::string& where) {
    return read_tables("| manual | q | where | a |\n|---|---|---|---|\n| " + chapters + " | q | " +
                       where + " | a |\n")
        .wrong.size();
  };
  EXPECT_EQ(wrong("5.2, 7.3.9", "`spec/smmu/stream_table.h` `linear_ste_address`, `L1Std`"), 0U);
  EXPECT_EQ(wrong("5.2", "`spec/smmu/smmu.cpp` `Smmu::write_cr0`"), 0U);
  EXPECT_EQ(wrong("5.2", "`spec/smmu/stream_table.h` `select_substreams`"), 1U);
  EXPECT_EQ(wrong("5.2", "`spec/smmu/no_such.h` `select_substream`"), 2U);
  EXPECT_EQ(wrong("5.2", "`spec/smmu/ats_sources.cpp` `select_substream`"), 1U);  // calls it only
  EXPECT_EQ(wrong("5.2", "`spec/smmu/command_queue.cpp` `Smmu::write_cr0`"), 1U);
  EXPECT_EQ(wrong("5.2", "`spec/smmu/smmu.cpp`"), 1U);
  EXPECT_EQ(wrong("5.2.99", "`spec/smmu/smmu.cpp` `Smmu::write_cr0`"), 1U);
}

}  // namespace
}  // namespace iommucheck::specification_table_test
