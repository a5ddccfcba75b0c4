// SPDX-License-Identifier: MIT
// scenario_breaks PLUGIN NAME: runs all scenarios on the plug-in. Those that expected.txt has for
// NAME must fail; of a NAME that it has not, at least one; "none" must pass them all.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "host/load.h"
#include "scenario/format/parser.h"
#include "scenario/run/driver_subject.h"
#include "scenario/run/runner.h"
#include "tests/places.h"

namespace {

using namespace iommucheck;
using Status = oracle::stories::ScenarioResult::Status;

const std::string root = test::in_tree();

/// IDs of a line "NAME ID ID"; empty: there is none.
std::vector<std::string> expected_of(const std::string& name) {
  std::ifstream stream(root + "/tests/scenario_breaks/expected.txt");
  for (std::string line; std::getline(stream, line);) {
    std::istringstream words(line);
    std::string first;
    if (!(words >> first) || first != name) continue;
    return {std::istream_iterator<std::string>(words), {}};
  }
  return {};
}

std::vector<std::string> files() {
  std::vector<std::string> paths;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(root + "/scenario/files")) {
    if (entry.path().extension() == ".scenario") paths.push_back(entry.path().string());
  }
  std::ranges::sort(paths);
  return paths;
}

int complain(const std::string& text) {
  std::fprintf(stderr, "%s\n", text.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return complain("usage: scenario_breaks PLUGIN NAME");
  auto plugin = oracle::Plugin::load(argv[1]);
  if (!plugin) return complain(plugin.error().message);
  auto segments = oracle::Segments::of(plugin->entry());
  if (!segments) return complain(segments.error().message);
  const std::string name = argv[2];
  std::set<std::string> failed;
  unsigned passed = 0;
  for (const std::string& path : files()) {
    const auto file = scenario::parse_file(path);
    if (!file) return complain(file.error().message);
    for (const scenario::Scenario& scenario : file->scenarios) {
      const auto result = oracle::stories::run_scenario(
          scenario,
          {.make_subject =
               [&] { return oracle::stories::make_driver_subject(plugin->driver(), &*segments); },
           .trace = {}});
      passed += result.status == Status::passed ? 1 : 0;
      if (result.status != Status::failed) continue;
      failed.insert(scenario.id);
      std::printf("%s: %s: expected %s, observed %s\n", scenario.id.c_str(),
                  result.failure->step.c_str(), result.failure->expected.c_str(),
                  result.failure->observed.c_str());
    }
  }
  std::printf("%u passed, %zu failed\n", passed, failed.size());
  if (name == "none") return failed.empty() && passed >= 85 ? 0 : complain("fails without a bug");
  if (failed.empty()) return complain(name + " is not noticed");
  for (const std::string& id : expected_of(name)) {
    if (!failed.contains(id)) return complain(name + " is not noticed by " + id);
  }
  return 0;
}
