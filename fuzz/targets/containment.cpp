// SPDX-License-Identifier: MIT
// libFuzzer target `containment`: bytes to what users of stage 2 domains write, command and access;
// the builtin driver, or the plug-in of --driver=PATH. A device that reaches what the living stage
// 2 does not map, or a neighbour that is disturbed, aborts. check/containment.h.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "check/alone.h"
#include "check/containment.h"
#include "report/finding_text.h"

namespace {

using namespace iommucheck;

std::string containment_driver = "builtin";  // --driver=

oracle::Containment& containment() {
  static oracle::Containment* const its = [] {
    oracle::CheckOptions options;
    options.driver = containment_driver;
    auto loaded = oracle::load_plugin(options);
    if (!loaded) {
      fmt::print(stderr, "fuzz_containment: {}\n", loaded.error().message);
      std::exit(2);
    }
    auto* kept = new oracle::LoadedPlugin(std::move(*loaded));
    auto made = std::make_unique<oracle::Containment>(kept->driver());
    if (const std::string failed = made->boot(); !failed.empty()) {
      fmt::print(stderr, "fuzz_containment: {}\n", failed);
      std::exit(2);
    }
    return made.release();
  }();
  return *its;
}

void print_containment() {
  const auto& n = containment().numbers();
  fmt::print(stderr, "{} stores, {} structures, {} commands, {} accesses, {} changes of stage 2\n",
             n.stores, n.structures, n.commands, n.accesses, n.changes);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  constexpr std::string_view key = "--driver=";
  for (int i = 1; i < *argc; ++i) {
    const std::string_view argument = (*argv)[i];
    if (argument.starts_with(key)) containment_driver = argument.substr(key.size());
  }
  (void)containment();
  std::atexit(print_containment);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  containment().run({data, size});
  const auto& findings = containment().monitor().findings();
  if (findings.empty()) return 0;
  for (const auto& finding : findings) {
    fmt::print(stderr, "VIOLATION {}: {}\n", spec::rule_name(finding.rule), finding.statement);
  }
  std::abort();
}
