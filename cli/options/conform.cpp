// SPDX-License-Identifier: MIT
#include "cli/options/declare.h"

namespace iommucheck::cli {

void add_conform(Commands& commands) {
  auto [app, options] = commands.add<ConformCommand>(
      "conform", "Check a device under test against the specification",
      "  iommucheck conform --device ./my_device.so --time 20\n"
      "  iommucheck conform --device qemu --cases 4000 --out out/conform\n"
      "  iommucheck conform --device \"qemu:/usr/bin/qemu-system-aarch64\" --seed 1\n"
      "  iommucheck conform --device qemu --driver ./my_driver.so --cases 200\n");
  app.add_option("--device", options.device,
                 "qemu, \"qemu:PATH ARGUMENTS\", spec: the specification as a device, fast: the "
                 "fast model; one's own: ./mine.so, \"exec:COMMAND\", unix:PATH (docs/conform.md)")
      ->type_name("DEVICE")
      ->capture_default_str();
  add_profile(app, options.profile);
  app.add_option("--seed", options.seed,
                 "all randomness comes from it; drawn and printed if absent")
      ->type_name("N")
      ->check(whole());
  app.add_option("--time", options.seconds,
                 "seconds for all of it; directed cases are finished in any case")
      ->type_name("SECONDS")
      ->check(seconds(0, 86400))
      ->capture_default_str();
  app.add_option("--cases", options.cases,
                 "random cases at most; 0: what the time allows, with --driver 100")
      ->type_name("N")
      ->check(whole());
  app.add_option("--known", options.known,
                 "file of known divergences; without it the one in data/known that fits")
      ->type_name("FILE")
      ->check(readable());
  app.add_flag("--no-known", options.no_known, "no divergence is known");
  app.add_option("--out", options.out,
                 "folder for traces, and for the file of known divergences as it would be now")
      ->type_name("DIR");
  app.add_option("--replay", options.replay, "only this trace of conform, on the device")
      ->type_name("TRACE")
      ->check(readable());
  CLI::Option* only =
      app.add_option("--only", options.only, "directed cases with a name like this alone")
          ->type_name("GLOB");
  app.add_option("--case", options.one_case, "the random case of that number and --seed alone")
      ->type_name("N")
      ->check(whole())
      ->excludes(only);
  app.add_option("--from", options.from, "number of the first random case, to go on with a run")
      ->type_name("N")
      ->check(whole());
  CLI::Option* driver =
      app.add_option("--driver", options.driver,
                     "cases are what this driver does: builtin, builtin-per-device, or the path of "
                     "a plug-in; what it breaks itself is told as its own")
          ->type_name("DRIVER")
          ->excludes(only)
          ->excludes("--case")
          ->excludes("--from")
          ->excludes("--replay")
          ->excludes("--profile");
  app.add_option("--corpus", options.corpus,
                 "with --driver: sequences of this folder of check come first")
      ->type_name("DIR")
      ->needs(driver);
  app.add_option("-j,--jobs", options.jobs,
                 "devices side by side; the result is the same for any number")
      ->type_name("N")
      ->check(whole(1, 256))
      ->capture_default_str();
  app.add_flag("--list", options.list, "the names of the directed cases of the device");
  app.add_option("--hang", options.hang_seconds,
                 "a device of one's own that gives no answer for so long hangs")
      ->type_name("SECONDS")
      ->check(seconds_of_a_hang())
      ->capture_default_str();
  app.add_flag("--rules", options.all_rules, "the verdict of each rule");
  app.add_option("--explain", options.explain, "findings of a kind like this in full")
      ->type_name("GLOB");
  app.add_flag("-v,--verbose", options.verbose,
               "the first finding of each cause in full, what is known, why rules are open");
  add_report_format(app, options.format);
  add_reports(app, options.reports);
  commands.add_bisect(app);
}

}  // namespace iommucheck::cli
