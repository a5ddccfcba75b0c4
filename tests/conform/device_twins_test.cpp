// SPDX-License-Identifier: MIT
// Devices that are subtly wrong in one thing each: the fast model with a mistake of
// tests/device_twins/*.mutants woven in. found.list says of each by which rule, with how many kinds
// and in which directed case conform tells it; what it does not tell stands there with a reason.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "tests/cases.h"
#include "tests/conform/device_twins_support.h"
#include "tests/conform/run_options.h"
#include "tests/conform/words.h"
#include "tests/places.h"

namespace iommucheck::oracle::device_twins_test {
namespace {

struct Written {
  std::set<std::string> wrong, right;
};
/// Of *.mutants: those that are wrong, and those that are not (`equivalent:`), which may not be
/// accused.
Written written_twins() {
  Written written;
  for (const auto& entry :
       std::filesystem::directory_iterator(test::in_tree("tests/device_twins"))) {
    if (entry.path().extension() != ".mutants") continue;
    std::ifstream file(entry.path());
    std::string id;
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with("[")) {
        id = line.substr(1, line.find(']') - 1);
        written.wrong.insert(id);
      }
      if (line.starts_with("equivalent:")) {
        written.wrong.erase(id);
        written.right.insert(id);
      }
    }
  }
  return written;
}

TEST(DeviceTwins, EachIsInTheTable) {
  const Written written = written_twins();
  EXPECT_GE(written.wrong.size(), 60U);
  std::set<std::string> listed;
  for (const DeviceTwin& twin : listed_twins()) {
    EXPECT_TRUE(listed.insert(twin.id).second) << twin.id << " stands twice in found.list";
    EXPECT_FALSE(twin.only.empty()) << twin.id;
  }
  EXPECT_EQ(listed, written.wrong);
}

class DeviceTwinFound : public testing::TestWithParam<unsigned> {};

/// Those whose number is `part` modulo `parts`.
constexpr unsigned parts = 8;

TEST_P(DeviceTwinFound, ByItsRule) {
  const std::vector<DeviceTwin> all = listed_twins();
  for (std::size_t i = GetParam(); i < all.size(); i += parts) {
    const DeviceTwin& twin = all[i];
    if (twin.rule.empty() || !test::in_this_run(i / parts, 3)) continue;
    MistakenMachine machine(twin.id, twin.seed);
    const auto result = machine.run(options_of(twin.seed, 0, twin.only));
    ASSERT_TRUE(result) << twin.id << ": " << result.error().message;
    const auto its = [&](const FoundDivergence& found) {
      return spec::rule_name(found.divergence.rule) == twin.rule;
    };
    EXPECT_TRUE(std::ranges::any_of(result->divergences, its)) << twin.id << "\n" << words(*result);
    EXPECT_LE(result->divergences.size(), twin.kinds) << twin.id << "\n" << words(*result);
  }
}

INSTANTIATE_TEST_SUITE_P(All, DeviceTwinFound, testing::Range(0U, parts));

/// Variants that the manual permits, or that nobody can see; and the model as it is, woven.
TEST(DeviceTwins, WhatIsRightIsNotAccused) {
  std::set<std::string> right = written_twins().right;
  EXPECT_FALSE(right.empty());
  right.insert("");
  const auto few = static_cast<std::ptrdiff_t>(test::cases(2, 100));
  for (auto id = right.begin(); id != right.end() && std::distance(right.begin(), id) < few; ++id) {
    MistakenMachine machine(*id, 2);
    const auto result = machine.run(options_of(2, 20));
    ASSERT_TRUE(result) << *id << ": " << result.error().message;
    EXPECT_TRUE(result->held()) << *id << "\n" << words(*result);
  }
}

}  // namespace
}  // namespace iommucheck::oracle::device_twins_test
