// SPDX-License-Identifier: MIT
// Devices that are subtly wrong in one thing each: the fast model with a mistake of
// tests/device_twins/*.mutants woven in. found.list says of each by which rule, with how many kinds
// and in which directed case conform tells it; what it does not tell stands there with a reason.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "conform/conform.h"
#include "tests/cases.h"
#include "tests/conform/run_options.h"
#include "tests/conform/words.h"
#include "tests/places.h"

namespace iommucheck::oracle::device_twins_test {
namespace {

struct DeviceTwin {
  std::string id;
  u64 seed = 0;  ///< of the machine
  std::string rule;
  std::size_t kinds = 0;  ///< in a run of all cases
  std::string only;       ///< the directed case; or why it is not found
};

std::string trimmed(std::string text) {
  const auto first = text.find_first_not_of(' ');
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

/// "id | seed | RULE | kinds | case", or "id | not found | reason".
std::vector<DeviceTwin> listed_twins() {
  std::vector<DeviceTwin> all;
  std::ifstream file(test::in_tree("tests/device_twins/found.list"));
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::vector<std::string> parts;
    for (std::size_t at = 0; at != std::string::npos;) {
      const std::size_t end = parts.size() == 4 ? std::string::npos : line.find('|', at);
      parts.push_back(trimmed(line.substr(at, end - at)));
      at = end == std::string::npos ? end : end + 1;
    }
    if (parts.size() == 3) {
      all.push_back({.id = parts[0], .rule = {}, .only = parts[2]});
    } else if (parts.size() == 5) {
      all.push_back({parts[0], std::stoull(parts[1]), parts[2], std::stoul(parts[3]), parts[4]});
    }
  }
  return all;
}

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

/// The machine of that seed with the mistake switched on, or with none.
class MistakenMachine {
 public:
  MistakenMachine(const std::string& id, u64 seed) {
    ::setenv("IOMMUCHECK_MUTANT", id.c_str(), 1);
    device_ = open_device(test::in_build("devices/mistaken_smmu.so"), seed, 5);
  }
  MistakenMachine(const MistakenMachine&) = delete;
  MistakenMachine& operator=(const MistakenMachine&) = delete;
  ~MistakenMachine() { ::unsetenv("IOMMUCHECK_MUTANT"); }
  Expected<ConformResult> run(const ConformOptions& options) {
    if (!device_) return std::unexpected(device_.error());
    return run_conform(**device_, options);
  }

 private:
  Expected<std::unique_ptr<DeviceUnderTest>> device_ = nullptr;
};

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
    if (twin.rule.empty()) continue;
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
