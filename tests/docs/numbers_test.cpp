// SPDX-License-Identifier: MIT
// Numbers that documents give are those of the files that they count.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <sstream>
#include <string>

#include "tests/docs/tree.h"

namespace iommucheck::test::numbers_test {
namespace {

using ::testing::HasSubstr;

std::string document(const std::string& path) {
  return std::regex_replace(read_file(tree() / path), std::regex(R"(\s+)"), " ");
}

/// Lines of `text` that `pattern` is found in.
std::size_t lines_with(const std::string& text, const std::string& pattern) {
  const std::regex wanted(pattern);
  std::istringstream in(text);
  std::size_t count = 0;
  for (std::string line; std::getline(in, line);) count += std::regex_search(line, wanted) ? 1 : 0;
  return count;
}

/// What docs/conform.md says of wrong devices, by tests/device_twins/found.list.
std::string wrong_devices(const std::string& list) {
  const std::size_t all = lines_with(list, "^[^#].* \\| ");
  const std::size_t by_random = lines_with(list, "^[^#].* \\| not found \\| by directed cases: ");
  const std::size_t missed = lines_with(list, "^[^#].* \\| not found \\| ") - by_random;
  return std::to_string(all - missed) + " of " + std::to_string(all) + ", " +
         std::to_string(by_random) + " of them by random cases alone";
}

TEST(Numbers, OfWrongDevicesAreThoseOfTheList) {
  const std::string list = read_file(tree() / "tests/device_twins/found.list");
  EXPECT_THAT(document("docs/conform.md"), HasSubstr(wrong_devices(list)));
}

TEST(Numbers, OfPublicBugsAreThoseOfTheTable) {
  const std::string table = read_file(tree() / "docs/museum.md");
  const std::string rows = std::to_string(lines_with(table, "^\\| M[0-9]+ \\| "));
  EXPECT_THAT(document("docs/museum.md"), HasSubstr(rows + " bugs on public record"));
  EXPECT_THAT(document("README.md"), HasSubstr(rows + " public bugs"));
}

TEST(Numbers, OfAListAreCounted) {
  EXPECT_EQ(wrong_devices("# not found | x | y\n\na | 2 | RULE | 1 | case\nb | not found | why\n"
                          "c | not found | by directed cases: random ones tell it\n"),
            "2 of 3, 1 of them by random cases alone");
}

}  // namespace
}  // namespace iommucheck::test::numbers_test
