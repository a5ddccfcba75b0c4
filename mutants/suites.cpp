// SPDX-License-Identifier: MIT
#include "mutants/suites.h"

#include <algorithm>

namespace iommucheck::mutants {
namespace {

struct Concern {
  std::string_view files;  ///< prefix of a file's path
  std::vector<std::string_view> suites;
};

const std::vector<Concern>& concerns() {
  static const std::vector<Concern> all = {
      {"spec/arch/", {"spec", "prove", "litmus", "conform", "lockstep", "oracle", "scenario"}},
      {"spec/sva/", {"spec", "scenario", "lockstep", "check", "oracle"}},
      {"spec/", {"spec", "litmus", "prove", "conform", "lockstep", "oracle", "scenario"}},
      {"impl/pasid/", {"impl", "prove", "lockstep", "scenario", "check"}},
      {"impl/", {"impl", "prove", "lockstep", "scenario", "check", "oracle"}},
      {"trace/", {"trace", "oracle", "cli"}},
      {"litmus/", {"litmus", "cli"}},
      {"scenario/run/", {"scenario", "oracle"}},
      {"scenario/", {"scenario", "cli"}},
      {"conform/", {"conform", "cli", "oracle"}},
      {"cli/", {"cli", "oracle"}},
      {"", {"lockstep", "oracle", "check", "conform", "scenario", "cli"}},
  };
  return all;
}

}  // namespace

const std::vector<Suite>& suites() {
  // QEMU is another subject, and may not be there.
  static const std::vector<Suite> all = {
      {"spec", "test_spec", {"--gtest_fail_fast"}},
      {"impl", "test_impl", {"--gtest_fail_fast"}},
      {"trace", "test_base_trace", {"--gtest_fail_fast"}},
      {"litmus", "test_litmus", {"--gtest_fail_fast"}},
      {"scenario", "test_scenario", {"--gtest_fail_fast"}},
      {"prove", "iommucheck_prove", {"--no-twins"}},
      {"lockstep", "test_oracle", {"--gtest_fail_fast", "--gtest_filter=Lockstep*:Processes*"}},
      {"conform",
       "test_oracle",
       {"--gtest_fail_fast", "--gtest_filter=Conform*:Device*:Known*:Matching*"}},
      {"check", "test_oracle", {"--gtest_fail_fast", "--gtest_filter=Check*"}},
      {"cli", "test_oracle", {"--gtest_fail_fast", "--gtest_filter=Command*:Cli*:Junit*:Exit*"}},
      {"oracle",
       "test_oracle",
       {"--gtest_fail_fast",
        "--gtest_filter=*-Lockstep*:Processes*:Conform*:Device*:Known*:Matching*:Check*:Command*:"
        "Cli*:Junit*:Exit*:Qemu*"}},
  };
  return all;
}

std::vector<std::size_t> suites_for(std::string_view file) {
  std::vector<std::size_t> numbers;
  for (const Concern& concern : concerns()) {
    if (!file.starts_with(concern.files)) continue;
    for (const std::string_view name : concern.suites) {
      const auto suite = std::ranges::find(suites(), name, &Suite::name);
      numbers.push_back(static_cast<std::size_t>(suite - suites().begin()));
    }
    break;
  }
  return numbers;
}

}  // namespace iommucheck::mutants
