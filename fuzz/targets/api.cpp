// SPDX-License-Identifier: MIT
// libFuzzer target `api`: bytes to calls, accesses and choices; our driver in lockstep with the
// specification. One input is: undo to booted, decode, run. A finding aborts.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "fuzz/mutate.h"
#include "impl/driver.h"
#include "oracle/lockstep.h"
#include "spec/rules.h"

namespace {

using namespace iommucheck;

oracle::Lockstep& lockstep() {
  static oracle::Lockstep* const booted = [] {
    auto* fresh = new oracle::Lockstep(*impl::builtin_driver(), {});
    if (const std::string reason = fresh->boot(); !reason.empty()) {
      fmt::print(stderr, "fuzz_api: cannot boot: {}\n", reason);
      std::abort();
    }
    return fresh;
  }();
  return *booted;
}

void report_and_abort(std::span<const fuzz::Operation> operations) {
  for (const auto& finding : lockstep().monitor().findings()) {
    const spec::RuleInfo& rule = spec::rule_info(finding.rule);
    fmt::print(stderr, "VIOLATION {} ({}), at fault: {}\n{}\n", rule.name,
               spec::family_name(rule.family), spec::keeper_name(rule.keeper), finding.text);
  }
  fmt::print(stderr, "the case:\n{}", fuzz::print(operations));
  std::abort();
}

std::size_t write(std::span<const fuzz::Operation> operations, u8* data, std::size_t size_max) {
  const auto bytes = fuzz::encode(operations);
  const std::size_t size = std::min(bytes.size(), size_max);
  std::copy_n(bytes.begin(), size, data);
  return size;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
  const auto operations = fuzz::decode({data, size});
  if (operations.empty()) return -1;  // not for the corpus
  // Everything reachable is compared at the end of some cases; which ones depends on the input
  // alone, so that it shows the same when run again.
  const bool thorough = size > 8 && data[8] % 64 == 0;
  lockstep().run(operations, {.whole_space = thorough, .teardown = thorough});
  if (!lockstep().monitor().findings().empty()) report_and_abort(operations);
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(u8* data, std::size_t size, std::size_t size_max,
                                               unsigned seed) {
  return write(fuzz::mutate(fuzz::decode({data, size}), seed), data, size_max);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const u8* first, std::size_t first_size,
                                                 const u8* second, std::size_t second_size, u8* out,
                                                 std::size_t size_max, unsigned seed) {
  return write(
      fuzz::cross(fuzz::decode({first, first_size}), fuzz::decode({second, second_size}), seed),
      out, size_max);
}
