// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <array>

#include "cli/console.h"
#include "cli/options.h"
#include "import/smmu_watch.h"
#include "trace/trace_file.h"

namespace iommucheck::cli {

int run_import(const ImportCommand& options) {
  const auto trace = oracle::import_smmu_watch(
      options.file, {.limits = {}, .assumed_clean = options.assumed_clean});
  if (!trace) return report("import", trace.error());
  if (const auto written = trace::write_trace(*trace, options.output); !written) {
    return report("import", written.error());
  }
  std::array<u64, trace::event_kind_count> counts{};
  for (const trace::Event& event : trace->events)
    ++counts[static_cast<std::size_t>(kind_of(event))];
  for (const trace::EventInfo& info : trace::event_table) {
    const u64 count = counts[static_cast<std::size_t>(info.kind)];
    if (count != 0) fmt::print("{:>12} {}\n", grouped(count), info.name);
  }
  fmt::print("{}: {} events\n", options.output, grouped(trace->events.size()));
  oracle::RunEnd end;
  if (trace->events.empty()) end.undecided(options.file + ": the recording has no event");
  return finish("import", end);
}

}  // namespace iommucheck::cli
