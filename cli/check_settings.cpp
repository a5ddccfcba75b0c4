// SPDX-License-Identifier: MIT
#include "cli/check_settings.h"

#include <sched.h>

#include <algorithm>

#include "cli/console.h"
#include "cli/machine_keys.h"

namespace iommucheck::cli {
namespace {

constexpr double default_seconds = 60;

/// Those that this process may run on.
u32 processors() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
  return std::clamp<u32>(static_cast<u32>(CPU_COUNT(&allowed)), 1, oracle::CheckOptions::jobs_max);
}

/// Of a short run the parts are smaller, so that there are several to run side by side, whatever
/// the number of jobs: the result does not depend on that.
u64 part_size_of(u64 runs) {
  constexpr u64 whole = oracle::CheckOptions::default_part_size;
  return runs != 0 && runs <= 4 * whole ? whole / 4 : whole;
}

}  // namespace

std::string check_machine(const CheckCommand& options) {
  std::string text = with_keys(options.machine, options.profile, options.smmu);
  if (!options.devices.empty()) text += ",devices=" + options.devices;
  if (options.guest) text += ",guest=1";
  return text;
}

oracle::CheckOptions check_settings(const CheckCommand& options) {
  oracle::CheckOptions settings;
  settings.driver = options.driver;
  settings.backend = options.backend;
  settings.machine = check_machine(options);
  settings.seed = options.seed ? *options.seed : drawn_seed();
  settings.sequences = options.runs;
  settings.first_sequence = options.from;
  const bool files_alone = !options.files.empty() && options.corpus.empty();
  settings.seconds =
      options.seconds.value_or(options.runs == 0 && !files_alone ? default_seconds : 0);
  settings.operations_max = options.operations;
  settings.out_directory = options.out;
  settings.findings_max = options.findings;
  settings.jobs = options.jobs != 0 ? options.jobs : processors();
  settings.part_size = part_size_of(options.runs);
  settings.hang_seconds = options.hang_seconds;
  settings.steps_max = options.hang_steps;
  settings.shrink = !options.no_shrink;
  settings.strict = options.strict;
  settings.identity_window = options.identity_window;
  if (options.scan) settings.precision = oracle::Precision::scan;
  if (options.isolate_case) settings.isolation = oracle::Isolation::each_case;
  settings.stop = interrupted;
  return settings;
}

}  // namespace iommucheck::cli
