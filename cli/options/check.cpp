// SPDX-License-Identifier: MIT
#include "base/text.h"
#include "cli/options/declare.h"

namespace iommucheck::cli {
namespace {

void add_corpus(CLI::App& app, CheckCommand& options) {
  app.add_option("--corpus", options.corpus,
                 "folder of sequences: all of it is run first, and random ones that show "
                 "something new are kept there")
      ->type_name("DIR");
  app.add_option("--corpus-max", options.corpus_max, "sequences that it holds at most")
      ->type_name("N")
      ->check(whole(1, 1'000'000))
      ->capture_default_str();
  app.add_flag("--minimize", options.minimize,
               "take files that a run has written out of the corpus where they show nothing "
               "that others do not");
  app.add_option("--to-corpus", options.to_corpus,
                 "run nothing: write --runs sequences as seeds of fuzz_api there")
      ->type_name("DIR");
}

void add_known(CLI::App& app, CheckCommand& options) {
  app.add_option("--known", options.known,
                 "file of findings that neither end the run nor fail it; docs/ci.md")
      ->type_name("FILE")
      ->check(readable());
  takes_one_each_time(
      *app.add_option("--allow", options.allow,
                      "a rule, in one call or operation if :WHERE names it, whose findings neither "
                      "end the run nor fail it. May be given several times")
           ->type_name("RULE[:WHERE]"));
  app.add_option("--write-known", options.write_known,
                 "write that file as it would be now, the reasons left to be written")
      ->type_name("FILE");
}

/// What is judged and how, of every command that runs random sequences.
void add_subject(CLI::App& app, CheckCommand& options) {
  app.add_option("--backend", options.backend,
                 "what the built-in core drives in the place of an SMMUv3: two, or one's own with "
                 "a model of its hardware, ./mine.so (docs/backends.md)")
      ->type_name("BACKEND");
  app.add_option("--machine", options.machine,
                 "what the SMMU claims and its devices: drawn (several, from the seed), "
                 "drawn:SEED, default, changed by KEY=VALUE,...; docs/drivers.md")
      ->type_name("MACHINE")
      ->capture_default_str();
  add_profile(app, options.profile);
  app.add_option("--smmu", options.smmu,
                 "the SMMU to be met: what is named is so on every machine, the rest is drawn")
      ->type_name("FILE|KEY=VALUE,...");
  app.add_option("--devices", options.devices,
                 "the devices to be met: SID[+SID]:PASID_BITS[:ats][:stall][:group=N], with / "
                 "between them")
      ->type_name("DEVICES");
  app.add_flag("--guest", options.guest,
               "the driver is a guest's: a host with the built-in driver plays its SMMU over its "
               "own, and both levels are judged; docs/drivers.md");
  app.add_option("--seed", options.seed,
                 "all randomness comes from it; drawn and printed if absent")
      ->type_name("N")
      ->check(whole());
  app.add_option("--operations", options.operations, "operations of a sequence at most, up to 64")
      ->type_name("N")
      ->check(whole(1, 64))
      ->capture_default_str();
  app.add_option("--hang", options.hang_seconds, "a plug-in without progress for so long hangs")
      ->type_name("SECONDS")
      ->check(seconds_of_a_hang())
      ->capture_default_str();
  app.add_option("--hang-steps", options.hang_steps,
                 "a call that asks its platform for more than so much hangs")
      ->type_name("N")
      ->check(whole(1, u64{1} << 40))
      ->capture_default_str();
  app.add_option("--not-claimed", options.not_claimed,
                 "what is not asked, beside what the driver says of itself: time-outs, "
                 "memory-type, moves, ranges, unrolling, short-memory, structures, domains, "
                 "stage-2, groups, blocking, interrupts; or nothing: all is, whatever it says")
      ->type_name("NAME,...");
  app.add_option("-j,--jobs", options.jobs,
                 "processes side by side; the result is the same for any number. Default: one for "
                 "each processor")
      ->type_name("N")
      ->check(whole(1, 256));
  app.add_option_function<std::string>(
         "--precision", [&options](const std::string& name) { options.scan = name == "scan"; },
         "how a plug-in's stores are seen: it says each (precise), or memory is compared (scan)")
      ->check(CLI::IsMember({"precise", "scan"}).description(""))
      ->type_name("precise|scan");
  app.add_option_function<std::string>(
         "--window",
         [&options](const std::string& name) { options.identity_window = name == "identity"; },
         "where table memory lies: anywhere, or where its physical address says (identity), for "
         "drivers that take such addresses for pointers")
      ->check(CLI::IsMember({"anywhere", "identity"}).description(""))
      ->type_name("anywhere|identity");
  app.add_option_function<std::string>(
         "--isolate",
         [&options](const std::string& name) { options.isolate_case = name == "case"; },
         "a process for a plug-in's cases together (worker), or one forked for each (case)")
      ->check(CLI::IsMember({"worker", "case"}).description(""))
      ->type_name("worker|case");
}

}  // namespace

void add_check(Commands& commands) {
  auto [app, options] = commands.add<CheckCommand>(
      "check", "Check a driver in lockstep with the specification",
      "  iommucheck check --driver ./my_driver.so --time 600\n"
      "  iommucheck check --driver ./my_driver.so --corpus corpus --known known.json --findings 20 "
      "--report out.xml\n"
      "  iommucheck check --backend two --runs 20000\n"
      "  iommucheck check out/findings/api-crash-0a1b\n");
  app.add_option("files", options.files,
                 "sequences to run first, each on every machine: lines of operations, or inputs "
                 "of fuzz_api. Without --runs, --time and --corpus nothing else is run")
      ->type_name("FILE")
      ->check(readable());
  add_corpus(app, options);
  add_known(app, options);
  add_subject(app, options);
  takes_one_each_time(
      *app.add_option_function<std::vector<std::string>>(
              "--driver",
              [&options](const std::vector<std::string>& drivers) {
                if (drivers.size() > 2) throw CLI::ValidationError("--driver", "two at most");
                options.driver = drivers.front();
                options.other = drivers.size() == 2 ? drivers.back() : "";
              },
              "builtin, builtin-per-device, or the path of a plug-in (driver.h); given twice, the "
              "two are compared. Default: builtin")
           ->type_name("DRIVER"));
  app.add_option("--runs", options.runs, "number of sequences; 0: what the time allows")
      ->type_name("N")
      ->check(whole());
  app.add_option("--time", options.seconds,
                 "seconds, beside those in which what is found is made short; without --runs 60")
      ->type_name("SECONDS")
      ->check(seconds_of_a_run());
  app.add_option("--from", options.from, "number of the first sequence, to go on with a run")
      ->type_name("N")
      ->check(whole());
  app.add_option("--out", options.out, "folder for the traces of findings; \"\" for none")
      ->type_name("DIR")
      ->capture_default_str();
  app.add_option("--findings", options.findings,
                 "end after so many new findings, told apart by rule and kind")
      ->type_name("N")
      ->check(whole(1, 1000))
      ->capture_default_str();
  app.add_flag("--no-shrink", options.no_shrink, "report the sequences as they were found");
  app.add_flag("--rules", options.all_rules, "the verdict of each rule");
  app.add_flag("-v,--verbose", options.verbose, "each machine by itself");
  app.add_flag("--coverage", options.coverage,
               "functions and blocks of the driver that were never entered; of a plug-in that "
               "iommucheck cc --coverage built");
  app.add_flag("--count-stores", options.count_stores,
               "whether each store was told, by the processor's own count (slow; x86-64); of a "
               "plug-in that iommucheck cc built");
  app.add_flag("--strict", options.strict,
               "a run with undetermined rules has no verdict (exit status 2)");
  add_report_format(app, options.format);
  add_reports(app, options.reports);
  commands.add_bisect(app);
  commands.refuse(app, [&options]() -> std::string {
    const bool of_drivers = !options.other.empty() || options.coverage || options.count_stores;
    if (options.guest && !options.backend.empty()) return "--backend excludes --guest";
    return of_drivers && !options.backend.empty()
               ? "--backend excludes a second driver, --coverage and --count-stores"
               : "";
  });
}

void add_campaign(Commands& commands) {
  auto [app, options] = commands.add<CampaignCommand>(
      "campaign", "Check a driver for as long as one likes; a folder keeps what was found",
      "  iommucheck campaign mine.campaign --driver ./my_driver.so --time 3600\n"
      "  iommucheck campaign there --driver ./my_driver.so --seed 1 --runs 1000000 --shard 2/4\n");
  CheckCommand& check = options.check;
  app.add_option("folder", options.folder,
                 "corpus, findings and coverage; what is there is gone on with")
      ->required()
      ->type_name("DIR");
  app.add_option("--driver", check.driver,
                 "builtin, builtin-per-device, or the path of a plug-in (driver.h)")
      ->type_name("DRIVER")
      ->capture_default_str();
  app.add_option("--runs", check.runs,
                 "number of sequences, of all shards together; 0: until --time or Ctrl-C")
      ->type_name("N")
      ->check(whole());
  app.add_option("--time", check.seconds, "no slice begins behind so many seconds")
      ->type_name("SECONDS")
      ->check(seconds_of_a_run());
  app.add_option_function<std::string>(
         "--shard",
         [&options](const std::string& text) {
           const std::size_t slash = text.find('/');
           const auto part = parse_number(text.substr(0, slash));
           const auto all =
               slash == std::string::npos ? std::nullopt : parse_number(text.substr(slash + 1));
           if (!part || !all || *part == 0 || *part > *all || *all > 65536) {
             throw CLI::ValidationError("--shard", "'" + text + "' is no I/N, from 1/N to N/N");
           }
           options.shard = static_cast<u32>(*part);
           options.shards = static_cast<u32>(*all);
         },
         "the I-th of N parts of the slices: N folders, merged, are one campaign")
      ->type_name("I/N");
  app.add_option("--slice", options.slice,
                 "sequences that are kept together: what a kill may cost, and what is waited for")
      ->type_name("N")
      ->check(whole(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--known", check.known, "file of findings that do not fail it; docs/ci.md")
      ->type_name("FILE")
      ->check(readable());
  app.add_flag("--no-shrink", check.no_shrink, "report the sequences as they were found");
  add_subject(app, check);
  add_report_format(app, check.format);
  add_reports(app, check.reports);
}

void add_merge(Commands& commands) {
  auto [app, options] = commands.add<MergeCommand>(
      "merge", "Campaigns of one driver, made elsewhere or as shards, become one",
      "  iommucheck merge mine.campaign there and_there\n");
  app.add_option("into", options.into, "a campaign; those of the others are added to it")
      ->required()
      ->type_name("DIR");
  app.add_option("from", options.from, "campaigns, which stay as they are")
      ->required()
      ->type_name("DIR");
}

}  // namespace iommucheck::cli
