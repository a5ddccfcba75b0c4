// SPDX-License-Identifier: MIT
// What the public headers promise may only grow: tests/capi/doors.list has every number of them,
// and nothing that is in it changes. `./dev generate` appends what is new, and no more.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/capi/doors_list_support.h"
#include "tests/document.h"
#include "tests/own_path.h"
#include "tests/places.h"

namespace iommucheck::test::doors_list_test {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Lines = std::vector<std::string>;

const std::string include = test::in_tree("include");
const std::string list = test::in_tree("tests/capi/doors.list");

Lines read_list() {
  std::ifstream in(list);
  Lines lines;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line[0] != '#') lines.push_back(line);
  }
  return lines;
}

std::string text(const Lines& lines) {
  std::string all;
  for (const std::string& line : lines) all += "  " + line + "\n";
  return all;
}

TEST(DoorsDocument, NothingChangesOrVanishes) {
  const Lines now = list_of_doors(include);
  ASSERT_GT(now.size(), 500U);
  DoorsDifference difference = compare_doors(read_list(), now);
  EXPECT_THAT(difference.broken, IsEmpty())
      << "Programs are built with these numbers. Put them back: give a new word a number of its "
         "own, "
         "append a new member at the end of its struct. If it cannot be helped while the doors are "
         "version 0, change IOMMUCHECK_DRIVER_ABI, IOMMUCHECK_MONITOR_ABI, IOMMUCHECK_DUT_ABI or "
         "IOMMUCHECK_BACKEND_ABI, "
         "take the old "
         "lines out of "
      << list << " by hand, and say so in CHANGELOG.md.";
  if (writes_anew()) {
    std::ofstream(list, std::ios::app) << [&] {
      std::string all;
      for (const std::string& line : difference.added) all += line + "\n";
      return all;
    }();
    difference.added = compare_doors(read_list(), now).added;
  }
  EXPECT_THAT(difference.added, IsEmpty())
      << "New numbers, to be kept from here on:\n"
      << text(difference.added) << "./dev generate appends them";
}

/// Every struct that grows says how large its first version was, and is not smaller.
TEST(DoorsDocument, EveryStructHasTheSizeOfItsFirstVersion) {
  const Lines now = list_of_doors(include);
  int structs = 0;
  for (const std::string& line : now) {
    constexpr std::string_view begin = "member iommucheck_";
    const auto at = line.find(".size at 0, 4 bytes");
    if (!line.starts_with(begin) || at == std::string::npos) continue;
    std::string name = line.substr(begin.size(), at - begin.size());
    for (char& c : name) c = static_cast<char>(std::toupper(c));
    EXPECT_THAT(now, Contains(HasSubstr("constant IOMMUCHECK_" + name + "_SIZE_VER0 ")));
    ++structs;
  }
  EXPECT_GE(structs, 18);
}

// ---- what the comparison has to find ------------------------------------------------------------

TEST(DoorsList, AShiftedNumberIsFound) {
  const Lines now = {"constant A 1", "constant B 2", "member s.x at 8, 8 bytes: uint64_t x",
                     "function int iommucheck_f(int a)"};
  EXPECT_THAT(compare_doors(now, now).broken, IsEmpty());
  Lines changed = now;
  changed[1] = "constant B 3";
  EXPECT_THAT(compare_doors(changed, now).broken,
              Contains(HasSubstr("constant B 3\n    is now: constant B 2")));
  changed = now;
  changed[2] = "member s.x at 0, 8 bytes: uint64_t x";
  EXPECT_EQ(compare_doors(changed, now).broken.size(), 1U);
  changed = now;
  changed[3] = "function int iommucheck_f(int a, int b)";
  EXPECT_EQ(compare_doors(changed, now).broken.size(), 1U);
  changed = now;
  changed.emplace_back("constant C 4");
  EXPECT_THAT(compare_doors(changed, now).broken, Contains(HasSubstr("constant C 4\n    is gone")));
  EXPECT_EQ(compare_doors({"constant A 1"}, now).added.size(), 3U);
  EXPECT_THAT(compare_doors({"constant A 1"}, now).broken, IsEmpty());
}

/// Headers in which somebody has put something into the middle.
TEST(DoorsList, AnIntruderIsFound) {
  namespace fs = std::filesystem;
  const std::string copy = own_path("doors_include");
  fs::remove_all(copy);
  fs::create_directories(copy);
  fs::copy(include, copy, fs::copy_options::recursive);
  const auto edit = [&](const std::string& header, const std::string& before,
                        const std::string& intruder) {
    const std::string path = copy + "/iommucheck/" + header;
    std::ifstream in(path);
    std::string its{std::istreambuf_iterator<char>(in), {}};
    const auto at = its.find(before);
    ASSERT_NE(at, std::string::npos) << before;
    its.insert(at, intruder);
    std::ofstream(path) << its;
  };
  edit("driver.h", "  uint32_t device_count;", "  uint64_t intruder;\n");
  edit("words.h", "  IOMMUCHECK_BARRIER_STORE = 1", "  IOMMUCHECK_BARRIER_INTRUDER = 3,\n");
  const DoorsDifference difference = compare_doors(read_list(), list_of_doors(copy));
  EXPECT_THAT(difference.broken, Contains(HasSubstr("iommucheck_config.device_count at 16")));
  EXPECT_THAT(difference.broken, Contains(HasSubstr("iommucheck_config.flags")));
  EXPECT_THAT(difference.added, Contains("constant IOMMUCHECK_BARRIER_INTRUDER 3"));
  fs::remove_all(copy);
}

}  // namespace
}  // namespace iommucheck::test::doors_list_test
