// SPDX-License-Identifier: MIT
#include "cli/options/declare.h"

namespace iommucheck::cli {

void add_linux(Commands& commands) {
  auto [app, options] = commands.add<LinuxCommand>(
      "linux", "Check the SMMUv3 driver of a Linux tree, unmodified, or what a change of it adds",
      "  iommucheck linux ~/linux\n"
      "  iommucheck linux ~/linux --base origin/master\n"
      "  git bisect run iommucheck linux . --bisect\n"
      "Of linux: 125 the tree does not build, which `git bisect run` skips.\n");
  app.add_option("tree", options.tree, "a Linux tree, from 6.1 on; nothing is written to it")
      ->required()
      ->type_name("DIR")
      ->check(CLI::ExistingDirectory.description(""));
  app.add_option("--base", options.base,
                 "a revision of the tree's repository: it is judged as well, and what it does is "
                 "no finding")
      ->type_name("REV");
  app.add_option("--known", options.known,
                 "file of findings that neither end the run nor fail it; without it the one that "
                 "comes with iommucheck for the tree's version")
      ->type_name("FILE")
      ->check(readable());
  app.add_option("--build", options.build,
                 "what builds, in the place of examples/drivers/linux/build.sh: it is given the "
                 "tree, the plug-in to be made and a folder of its own. IOMMUCHECK_LINUX_BUILD "
                 "names it too")
      ->type_name("SCRIPT")
      ->check(readable());
  app.add_option("--seed", options.seed, "all randomness comes from it (1)")
      ->type_name("N")
      ->check(whole());
  app.add_option("--runs", options.runs, "number of sequences (4000)")
      ->type_name("N")
      ->check(whole(1, ~u64{0} - 1));
  app.add_option("--time", options.seconds, "seconds at most, of each revision")
      ->type_name("SECONDS")
      ->check(seconds_of_a_run());
  app.add_option("--findings", options.findings, "end after so many of different kinds (20)")
      ->type_name("N")
      ->check(whole(1, 1'000));
  app.add_option("-j,--jobs", options.jobs, "processes side by side")
      ->type_name("N")
      ->check(whole(1, 256));
  app.add_option("--out", options.out, "folder for what is built, reports and traces")
      ->type_name("DIR")
      ->capture_default_str();
  add_report_format(app, options.format);
  add_reports(app, options.reports);
  commands.add_bisect(app);
}

}  // namespace iommucheck::cli
