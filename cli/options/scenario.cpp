// SPDX-License-Identifier: MIT
#include "cli/options/declare.h"

namespace iommucheck::cli {

void add_scenario(Commands& commands) {
  auto [app, options] = commands.add<ScenarioCommand>(
      "scenario", "Run scenarios: calls, their exact results, and what each access reaches",
      "  iommucheck scenario --driver ./my_driver.so scenario/files/*.scenario\n"
      "  iommucheck scenario --backend ./my_backend.so\n");
  app.add_option("files", options.files,
                 "files of scenarios; without any those that the command carries")
      ->type_name("FILE");
  app.add_option("--driver", options.driver,
                 "builtin (its tables as the scenario says), builtin-per-device, spec (the "
                 "interface specification alone), or the path of a plug-in")
      ->type_name("DRIVER")
      ->capture_default_str();
  app.add_option("--backend", options.backend,
                 "two, or one's own with a model of its hardware, ./mine.so: every scenario that "
                 "may run there, each in a process of its own (docs/backends.md)")
      ->type_name("BACKEND")
      ->excludes("--driver");
  app.add_flag("--guest", options.guest,
               "the driver is a guest's, and a host plays its SMMU with the built-in driver "
               "(docs/drivers.md); what the guest has not got, a scenario needs")
      ->excludes("--backend");
  add_profile(app, options.profile);
  app.get_option("--profile")->excludes("--backend");
  app.get_option("--profile")->excludes("--guest");
  app.add_option("--hang", options.hang_seconds,
                 "with --backend: a step without an end for so long hangs")
      ->type_name("SECONDS")
      ->check(seconds_of_a_hang())
      ->capture_default_str();
  app.add_option("--out", options.out, "folder for the traces of failures")->type_name("DIR");
  app.add_flag("--all-traces", options.all_traces, "with --out: also of what passes");
  app.add_option("--to-corpus", options.corpus,
                 "run nothing: write each as a seed of fuzz_api there, where it can be said")
      ->type_name("DIR");
  app.add_flag("--coverage", options.coverage,
               "instead of verdicts: each answer that the interface permits, and the scenario "
               "that shows it on the builtin driver, or why none does");
  app.add_flag("-q,--quiet", options.quiet,
               "only what did not pass, or what nothing shows or explains");
  add_report_format(app, options.format);
  add_reports(app, options.reports);
  commands.add_bisect(app);
}

}  // namespace iommucheck::cli
