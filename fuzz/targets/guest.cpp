// SPDX-License-Identifier: MIT
// libFuzzer target `guest`: bytes to what a guest that keeps no rule writes into its memory, its
// SMMU's registers and queues, and to accesses of its devices; the host has the builtin driver, or
// the plug-in of --driver=PATH. A device that reaches what is not the guest's, or a rule that the
// host's driver breaks, aborts. guest/hostile_guest.h.
#include "guest/hostile_guest.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "fuzz/targets/of_driver.h"

namespace {

using namespace iommucheck;

oracle::HostileGuest* hostile_guest = nullptr;  // from the beginning on

void print_numbers() {
  const auto& n = hostile_guest->numbers();
  fmt::print(stderr, "{} stores, {} register writes, {} commands, {} accesses, {} reached memory\n",
             n.stores, n.writes, n.commands, n.accesses, n.reached);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  hostile_guest = &fuzz::booted<oracle::HostileGuest>("fuzz_guest", fuzz::driver_of(*argc, *argv));
  std::atexit(print_numbers);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  const std::string wrong = hostile_guest->run({data, size});
  if (wrong.empty()) return 0;
  fmt::print(stderr, "VIOLATION {}\n", wrong);
  for (const auto& finding : hostile_guest->guest().host().monitor().findings()) {
    fmt::print(stderr, "{}: {}\n", spec::rule_name(finding.rule), finding.statement);
  }
  std::abort();
}
