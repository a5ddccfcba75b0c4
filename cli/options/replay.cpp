// SPDX-License-Identifier: MIT
#include "cli/options/declare.h"

namespace iommucheck::cli {

void add_replay(Commands& commands) {
  auto [app, options] = commands.add<ReplayCommand>(
      "replay", "Judge a trace: a finding, or an imported recording",
      "  iommucheck replay out/finding-PAGE_REUSE-1.trace.jsonl\n"
      "  iommucheck replay --driver ./my_driver.so out/finding-CRASH_NEVER-1.trace.jsonl\n");
  app.add_option("trace", options.trace, "plain, .gz or .zst")
      ->required()
      ->type_name("TRACE")
      ->check(readable());
  app.add_option("--driver", options.driver,
                 "run the cases of a trace of check again with this driver, in a new process")
      ->type_name("DRIVER");
  app.add_option("--backend", options.backend,
                 "whose trace it is, of check --backend: its hardware judges. Default: two, if "
                 "that is what the trace names")
      ->type_name("BACKEND");
  app.add_option("--hang", options.hang_seconds, "with --driver: without progress for so long")
      ->type_name("SECONDS")
      ->check(seconds_of_a_hang())
      ->capture_default_str();
  app.add_option("--findings", options.findings, "show so many at most")
      ->type_name("N")
      ->check(whole(1, 100'000))
      ->capture_default_str();
  app.add_flag("--rules", options.all_rules, "the verdict of each rule");
  add_report_format(app, options.format);
  add_reports(app, options.reports);
  commands.add_bisect(app);
}

}  // namespace iommucheck::cli
