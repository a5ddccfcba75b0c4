// SPDX-License-Identifier: MIT
// A campaign of `check` as a user runs it, machines and all: sequences a second with one process,
// and with one for each processor. The two take turns, so that what else the machine does meets
// both.
#include <fmt/format.h>

#include <sched.h>

#include <stdexcept>

#include "bench/measure.h"
#include "bench/sections.h"
#include "check/check.h"

namespace iommucheck::bench {
namespace {

double rate(u32 jobs, u64 seed, u64 sequences) {
  oracle::CheckOptions options;
  options.machine = "drawn";
  options.seed = seed;
  options.sequences = sequences;
  options.jobs = jobs;
  const double began = now_ns();
  const auto result = oracle::run_check(options);
  const double spent = now_ns() - began;
  if (!result) throw std::runtime_error(result.error().message);
  if (oracle::end_of(options, *result).verdict() != oracle::Verdict::held) {
    throw std::runtime_error("the built-in driver does not hold");
  }
  return static_cast<double>(result->sequences) * 1e9 / spent;
}

u32 processors() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
  return static_cast<u32>(CPU_COUNT(&allowed));
}

}  // namespace

void campaign() {
  constexpr unsigned rounds = 5;
  constexpr u64 sequences = 16384;
  const u32 most = processors();
  Samples one;
  Samples all;
  for (unsigned round = 0; round < rounds; ++round) {
    one.add(rate(1, round, sequences));
    all.add(rate(most, round, sequences));
  }
  fmt::print(
      "  sequences a second (wall), medians of {} turns of {} sequences; before: 2771239, 2 idle "
      "CPUs\n",
      rounds, sequences);
  fmt::print("    -j 1        {:>9.0f}   before 7094\n", one.median());
  const double share = all.median() / (one.median() * most);
  fmt::print(
      "    -j {:<2}       {:>9.0f}   before 13528 with -j 2; {:.2f} of {} times -j 1 (goal 0.90)\n",
      most, all.median(), share, most);
}

}  // namespace iommucheck::bench
