// SPDX-License-Identifier: MIT
// libFuzzer target `guest`: bytes to what a guest that keeps no rule writes into its memory, its
// SMMU's registers and queues, and to accesses of its devices; the host has the builtin driver, or
// the plug-in of --driver=PATH. A device that reaches what is not the guest's, or a rule that the
// host's driver breaks, aborts. guest/hostile_guest.h.
#include "guest/hostile_guest.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "check/alone.h"

namespace {

using namespace iommucheck;

std::string hosts_driver = "builtin";  // --driver=

oracle::HostileGuest& hostile_guest() {
  static oracle::HostileGuest* const its = [] {
    oracle::CheckOptions options;
    options.driver = hosts_driver;
    auto loaded = oracle::load_plugin(options);
    if (!loaded) {
      fmt::print(stderr, "fuzz_guest: {}\n", loaded.error().message);
      std::exit(2);
    }
    auto* kept = new oracle::LoadedPlugin(std::move(*loaded));
    auto made = std::make_unique<oracle::HostileGuest>(kept->driver());
    if (const std::string failed = made->boot(); !failed.empty()) {
      fmt::print(stderr, "fuzz_guest: {}\n", failed);
      std::exit(2);
    }
    return made.release();
  }();
  return *its;
}

void print_numbers() {
  const auto& n = hostile_guest().numbers();
  fmt::print(stderr, "{} stores, {} register writes, {} commands, {} accesses, {} reached memory\n",
             n.stores, n.writes, n.commands, n.accesses, n.reached);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  constexpr std::string_view key = "--driver=";
  for (int i = 1; i < *argc; ++i) {
    const std::string_view argument = (*argv)[i];
    if (argument.starts_with(key)) hosts_driver = argument.substr(key.size());
  }
  (void)hostile_guest();
  std::atexit(print_numbers);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  const std::string wrong = hostile_guest().run({data, size});
  if (wrong.empty()) return 0;
  fmt::print(stderr, "VIOLATION {}\n", wrong);
  for (const auto& finding : hostile_guest().guest().host().monitor().findings()) {
    fmt::print(stderr, "{}: {}\n", spec::rule_name(finding.rule), finding.statement);
  }
  std::abort();
}
