// SPDX-License-Identifier: MIT
// Numbers that documents give are those of the files that they count.
#include <gtest/gtest.h>

#include <regex>
#include <sstream>
#include <string>

#include "tests/docs/tree.h"
#include "tests/document.h"

namespace iommucheck::test::numbers_test {
namespace {

/// What `pattern` finds in the page is `by`, in which "$01" is the first group: all but the
/// numbers.
void expect_numbers(const std::string& page, const std::string& pattern, const std::string& by) {
  Document document(tree() / page);
  const std::regex sentence(pattern);
  EXPECT_TRUE(std::regex_search(document.text(), sentence)) << page << " says nothing of it";
  document.put_all(std::regex_replace(document.text(), sentence, by));
  document.check();
}

/// Lines of `text` that `pattern` is found in.
std::size_t lines_with(const std::string& text, const std::string& pattern) {
  const std::regex wanted(pattern);
  std::istringstream in(text);
  std::size_t count = 0;
  for (std::string line; std::getline(in, line);) count += std::regex_search(line, wanted) ? 1 : 0;
  return count;
}

/// Of wrong devices, by tests/device_twins/found.list.
struct WrongDevices {
  std::size_t all = 0;
  std::size_t by_random = 0;  ///< found by random cases alone
  std::size_t missed = 0;
};
WrongDevices wrong_devices(const std::string& list) {
  WrongDevices found;
  found.all = lines_with(list, "^[^#].* \\| ");
  found.by_random = lines_with(list, "^[^#].* \\| not found \\| by directed cases: ");
  found.missed = lines_with(list, "^[^#].* \\| not found \\| ") - found.by_random;
  return found;
}

TEST(NumbersDocument, OfWrongDevicesAreThoseOfTheList) {
  const auto [all, by_random, missed] =
      wrong_devices(read_file(tree() / "tests/device_twins/found.list"));
  expect_numbers("docs/conform.md",
                 R"(\d+(\s+of\s+)\d+(,\s+)\d+(\s+of\s+them\s+by\s+random\s+cases\s+alone))",
                 std::to_string(all - missed) + "$01" + std::to_string(all) + "$02" +
                     std::to_string(by_random) + "$03");
}

TEST(NumbersDocument, OfPublicBugsAreThoseOfTheTable) {
  const std::string rows =
      std::to_string(lines_with(read_file(tree() / "docs/museum.md"), "^\\| M[0-9]+ \\| "));
  expect_numbers("docs/museum.md", R"(\d+(\s+bugs\s+on\s+public\s+record))", rows + "$01");
  expect_numbers("README.md", R"(\d+(\s+public\s+bugs))", rows + "$01");
}

TEST(Numbers, OfAListAreCounted) {
  const auto [all, by_random, missed] = wrong_devices(
      "# not found | x | y\n\na | 2 | RULE | 1 | case\nb | not found | why\n"
      "c | not found | by directed cases: random ones tell it\n");
  EXPECT_EQ(all, 3U);
  EXPECT_EQ(by_random, 1U);
  EXPECT_EQ(missed, 1U);
}

}  // namespace
}  // namespace iommucheck::test::numbers_test
