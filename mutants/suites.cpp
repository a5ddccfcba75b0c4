// SPDX-License-Identifier: MIT
#include "mutants/suites.h"

#include <algorithm>
#include <array>
#include <string>

namespace iommucheck::mutants {
namespace {

struct Concern {
  std::string_view files;                ///< prefix of a file's path
  std::vector<std::string_view> suites;  ///< the cheapest first
};

const std::vector<Concern>& concerns() {
  static const std::vector<Concern> all = {
      {"spec/arch/", {"spec", "lockstep", "scenario", "litmus", "conform", "prove", "quick"}},
      {"spec/sva/", {"spec", "lockstep", "scenario", "quick"}},
      {"spec/", {"spec", "lockstep", "scenario", "litmus", "conform", "prove", "quick"}},
      {"impl/device/", {"impl", "conform", "quick"}},
      {"impl/", {"impl", "lockstep", "scenario", "prove", "quick"}},
      {"trace/", {"trace", "quick"}},
      {"litmus/", {"litmus", "quick"}},
      {"scenario/", {"scenario", "quick"}},
      {"", {"lockstep", "scenario", "conform", "quick"}},
  };
  return all;
}

/// What survives all that is given these, the cheapest first: whole campaigns, plug-ins in
/// processes of their own, the command with all its ends.
constexpr std::array costly = {"recordings", "twins", "process", "check", "cli"};

/// Of test_oracle, what takes more than a second, by subject. The rest is "quick": each test is,
/// all of them take longest.
struct Slow {
  const char* name;
  const char* tests;
};
constexpr std::array slow = {
    Slow{"lockstep", "Lockstep*:ManyDomains*"},
    Slow{"conform", "Conform.*:ConformRecords.*:All/ConformTwin.*:All/RecordField.*:FastDevice.*"},
    Slow{"recordings", "Linux/*"},
    Slow{"twins", "Museum/*"},
    Slow{"process", "Plugin*:All/PluginBoundary.*:Machine.*"},
    Slow{"check", "Check*:Parts*:Lanes*"},
    Slow{"cli", "Exit*:JunitCommand.*"},
};

std::vector<Suite> all_suites() {
  const std::string fast = "--gtest_fail_fast";
  std::vector<Suite> all = {
      {"spec", "test_spec", {fast}},         {"impl", "test_impl", {fast}},
      {"trace", "test_base_trace", {fast}},  {"litmus", "test_litmus", {fast}},
      {"scenario", "test_scenario", {fast}}, {"prove", "iommucheck_prove", {"--no-twins"}},
  };
  // QEMU and a browser are other subjects, and may not be there or not run within the limits of a
  // suite; scripts are looked for beside a build of the tree itself, and lines of sources in one
  // that has them.
  std::string quick =
      "--gtest_filter=*-Qemu*:LinuxTree*:Page.StepsByKeyboardInABrowser:"
      "SourceLines.FunctionFileAndLineAreThoseOfTheCall";
  for (const Slow& one : slow) {
    all.push_back({one.name, "test_oracle", {fast, std::string("--gtest_filter=") + one.tests}});
    quick += std::string(":") + one.tests;
  }
  all.push_back({"quick", "test_oracle", {fast, quick}});
  return all;
}

}  // namespace

const std::vector<Suite>& suites() {
  static const std::vector<Suite> all = all_suites();
  return all;
}

std::vector<std::size_t> suites_for(std::string_view file) {
  std::vector<std::size_t> numbers;
  for (const Concern& concern : concerns()) {
    if (!file.starts_with(concern.files)) continue;
    std::vector<std::string_view> names = concern.suites;
    names.insert(names.end(), costly.begin(), costly.end());
    for (const std::string_view name : names) {
      const auto suite = std::ranges::find(suites(), name, &Suite::name);
      numbers.push_back(static_cast<std::size_t>(suite - suites().begin()));
    }
    break;
  }
  return numbers;
}

}  // namespace iommucheck::mutants
