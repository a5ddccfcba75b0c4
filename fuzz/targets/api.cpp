// SPDX-License-Identifier: MIT
// libFuzzer target `api`: bytes to calls, accesses and choices; our driver in lockstep with the
// specification. One input is: undo to booted, decode, run. A finding aborts.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "check/lockstep.h"
#include "check/record_case.h"
#include "check/shrink.h"
#include "impl/driver.h"
#include "monitor/rule_verdicts.h"
#include "operations/mutate.h"
#include "report/finding_text.h"
#include "spec/rules.h"

namespace {

using namespace iommucheck;

/// What the run says of each rule, for those who read the end of it.
void print_rules();

oracle::Lockstep& lockstep() {
  static oracle::Lockstep* const booted = [] {
    auto* fresh = new oracle::Lockstep(*impl::builtin_driver(), {});
    if (const std::string reason = fresh->boot(); !reason.empty()) {
      fmt::print(stderr, "fuzz_api: cannot boot: {}\n", reason);
      std::abort();
    }
    std::atexit(print_rules);
    return fresh;
  }();
  return *booted;
}

void print_rules() {
  oracle::Monitor& monitor = lockstep().monitor();
  oracle::RuleTally tally;
  tally.add(monitor);
  tally.add_calls(monitor.statistics().calls);
  fmt::print(stderr,
             "{} calls, {} outcomes judged; rules kept, and how often they could have been "
             "broken:\n",
             monitor.statistics().calls, monitor.statistics().outcomes_judged);
  for (const auto& count : oracle::rule_counts(tally, {&monitor.caches().capabilities(), 1})) {
    fmt::print(stderr, "  {:<24} {:<14} {:>12} {:>12}  {}\n", spec::rule_name(count.rule),
               oracle::to_string(count.verdict), count.kept, count.discriminating, count.why);
  }
}

/// What to shrink towards: the same rule, or the same bound.
std::string verdict() {
  const auto& findings = lockstep().monitor().findings();
  if (!findings.empty()) return std::string(spec::rule_name(findings.front().rule));
  return lockstep().monitor().gave_up() ? "gave up: a bound of the specification" : "";
}

void report_and_abort(std::span<const fuzz::Operation> operations, oracle::Lockstep::Ends ends) {
  const std::string wanted = verdict();
  fmt::print(stderr, "VIOLATION {}; making it small\n", wanted);
  const auto small = oracle::shrink({operations.begin(), operations.end()},
                                    [&](std::span<const fuzz::Operation> candidate) {
                                      lockstep().run(candidate, ends);
                                      return verdict() == wanted;
                                    });
  const auto record = oracle::record_case(*impl::builtin_driver(), {},
                                          {.operations = small.operations, .ends = ends});
  for (const auto& finding : record.findings) {
    fmt::print(stderr, "{}", oracle::full_text(oracle::told(finding, record)));
  }
  fmt::print(stderr, "the shortest case:\n{}", fuzz::print(small.operations));
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
  const oracle::Lockstep::Ends ends{.whole_space = thorough, .teardown = thorough};
  lockstep().run(operations, ends);
  if (!verdict().empty()) report_and_abort(operations, ends);
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
