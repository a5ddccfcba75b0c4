// SPDX-License-Identifier: MIT
// libFuzzer target `containment`: bytes to what users of stage 2 domains write, command and access;
// the builtin driver, or the plug-in of --driver=PATH. A device that reaches what the living stage
// 2 does not map, or a neighbour that is disturbed, aborts. check/containment.h.
#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

#include "check/containment.h"
#include "fuzz/targets/of_driver.h"
#include "report/finding_text.h"

namespace {

using namespace iommucheck;

oracle::Containment* containment = nullptr;  // from the beginning on

void print_containment() {
  const auto& n = containment->numbers();
  fmt::print(stderr, "{} stores, {} structures, {} commands, {} accesses, {} changes of stage 2\n",
             n.stores, n.structures, n.commands, n.accesses, n.changes);
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  containment =
      &fuzz::booted<oracle::Containment>("fuzz_containment", fuzz::driver_of(*argc, *argv));
  std::atexit(print_containment);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  containment->run({data, size});
  const auto& findings = containment->monitor().findings();
  if (findings.empty()) return 0;
  for (const auto& finding : findings) {
    fmt::print(stderr, "VIOLATION {}: {}\n", spec::rule_name(finding.rule), finding.statement);
  }
  std::abort();
}
