// SPDX-License-Identifier: MIT
#include "cli/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <system_error>

#include "cli/console.h"
#include "report/report.h"

namespace iommucheck::cli {
namespace {

constexpr const char* epilogue =
    "Exit status: 0 all held, 1 a violation was found, 2 nothing was decided (stopped, a bound, "
    "nothing to judge) or the input or usage was bad, 3 the environment failed.";

/// Shown by --help, above the exit statuses.
struct Examples {
  std::string_view command;
  std::string_view lines;
};
constexpr Examples examples[] = {
    {"litmus", "  iommucheck litmus litmus/files/*.litmus\n"},
    {"ask",
     "  iommucheck ask 'use std; store word B 1 0; barrier; access 1 0x1000 r'\n"
     "  iommucheck ask --ste 0xb --cd 0 --smmu s1p=1 --format json\n"
     "  iommucheck ask --hitless 0x1 0x8000000b,0x10000000 --order 1,sync,0,sync\n"
     "Of ask: 0 it is answered, whatever the answer; 1 a set that the question names is another; "
     "2 it cannot be read, or asks for what the specification has not got.\n"},
    {"scenario", "  iommucheck scenario --driver ./my_driver.so scenario/files/*.scenario\n"},
    {"check",
     "  iommucheck check --driver ./my_driver.so --time 600\n"
     "  iommucheck check --driver ./my_driver.so --corpus corpus --known known.json --findings 20 "
     "--report out.xml\n"
     "  iommucheck check out/findings/api-crash-0a1b\n"},
    {"conform",
     "  iommucheck conform --device ./my_device.so --time 20\n"
     "  iommucheck conform --device qemu --cases 4000 --out out/conform\n"
     "  iommucheck conform --device \"qemu:/usr/bin/qemu-system-aarch64\" --seed 1\n"
     "  iommucheck conform --backend two --runs 500\n"},
    {"replay",
     "  iommucheck replay out/finding-PAGE_REUSE-1.trace.jsonl\n"
     "  iommucheck replay --driver ./my_driver.so out/finding-CRASH_NEVER-1.trace.jsonl\n"},
    {"import", "  iommucheck import recording.zst -o recording.trace.jsonl.zst\n"},
    {"export",
     "  iommucheck export out/mine/mymodel-1/NAME.jsonl -o case.c\n"
     "  iommucheck export --as qtest data/known/qemu-7.2/global-nh-va.jsonl -o case.sh\n"},
    {"rules", "  iommucheck rules --family page-reuse\n"},
    {"explain",
     "  iommucheck explain PAGE_REUSE\n"
     "  iommucheck explain out/finding-PAGE_REUSE-1.trace.jsonl:120 0x1 0x4000\n"},
    {"cc", "  iommucheck cc -shared -o mine.so mine.c && iommucheck check --driver ./mine.so\n"},
    {"prove", "  iommucheck prove --only coverage\n"},
    {"bench", "  iommucheck bench --only api\n"},
};

std::string footer_of(std::string_view command) {
  const auto known = std::ranges::find(examples, command, &Examples::command);
  if (known == std::end(examples)) return epilogue;
  return fmt::format("{}:\n{}{}",
                     std::ranges::count(known->lines, '\n') == 1 ? "Example" : "Examples",
                     known->lines, epilogue);
}

/// `names` are those of the first values of Format.
void add_format(CLI::App& app, Format& format, const std::vector<std::string>& names) {
  app.add_option_function<std::string>(
         "--format",
         [&format](const std::string& name) {
           format = name == "json" ? Format::json : name == "junit" ? Format::junit : Format::text;
         },
         fmt::format("{}", fmt::join(names, " or ")))
      ->check(CLI::IsMember(names).description(""))
      ->type_name(fmt::format("{}", fmt::join(names, "|")));
}
void add_format(CLI::App& app, Format& format) { add_format(app, format, {"text", "json"}); }
/// For commands whose results are tests.
void add_report_format(CLI::App& app, Format& format) {
  add_format(app, format, {"text", "json", "junit"});
}
void add_reports(CLI::App& app, std::vector<std::string>& files) {
  app.add_option("--report", files,
                 "write it to a file too, by its name's end: .txt, .json, .xml (JUnit), .sarif; or "
                 "FORMAT:FILE. May be given several times")
      ->type_name("FILE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->check(CLI::Validator(
          [](std::string& name) -> std::string {
            const auto file = oracle::report_file(name);
            return file ? std::string() : file.error().message;
          },
          ""));
}

/// CLI11 would take -5 as 2^64 - 5, and 010 as 8.
CLI::Validator whole(u64 from, u64 to) {
  const auto check = [from, to](std::string& text) -> std::string {
    u64 value = 0;
    const char* end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data(), end, value);
    const bool plain = text == "0" || !text.starts_with('0');
    if (error == std::errc{} && stopped == end && plain && value >= from && value <= to) return {};
    return to == ~u64{0} ? fmt::format("'{}' is no whole number of 64 bits", text)
                         : fmt::format("'{}' is no whole number from {} to {}", text, from, to);
  };
  return CLI::Validator(check, "");
}
CLI::Validator whole() { return whole(0, ~u64{0}); }

/// A file that can be read, be it a pipe.
CLI::Validator readable() {
  return CLI::Validator(
      [](std::string& path) -> std::string {
        std::error_code error;
        if (!std::filesystem::exists(path, error)) return path + ": there is no such file";
        if (std::filesystem::is_directory(path, error)) return path + ": is a folder; name a file";
        return {};
      },
      "");
}

/// Reads the command's struct while CLI11 parses; `chosen` is the command that was given.
class Reader {
 public:
  Reader()
      : app_("An executable specification of the IOMMU, and a checker built on it.", "iommucheck") {
    app_.set_version_flag("--version", std::string("iommucheck ") + version_text());
    app_.require_subcommand(1);
    app_.footer(epilogue);
    add_litmus();
    add_ask();
    add_scenario();
    add_check();
    add_conform();
    add_replay();
    add_import();
    add_export();
    add_rules();
    add_explain();
    add_prove();
    add_cc();
    add_bench();
    for (const char* name : {"litmus", "scenario", "check", "conform", "replay"}) {
      app_.get_subcommand(name)->add_flag(
          "--bisect", bisect_,
          "for `git bisect run`: exit status 125 (skip) in the place of 2 and 3");
    }
  }

  Parsed read(int argc, char** argv) {
    std::variant<Command, int> command = command_of(argc, argv);
    // Where it cannot be read, the flag may not have been reached.
    const auto asks = [](const char* word) { return std::string_view(word) == "--bisect"; };
    return {std::move(command), bisect_ || std::any_of(argv, argv + argc, asks)};
  }

 private:
  std::variant<Command, int> command_of(int argc, char** argv) {
    if (argc > 1 && argv[1][0] != '-' && !is_command(argv[1])) {
      return usage(fmt::format("there is no command '{}'; there are {}", argv[1], commands()));
    }
    try {
      app_.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      if (error.get_exit_code() == 0) return app_.exit(error);  // --help, --version
      return usage(error.what());
    }
    if (app_.got_subcommand("litmus") && litmus_.files.empty() && !litmus_.list_words) {
      return usage("litmus: files is required");
    }
    if (const std::string wrong = wrong_of_ask(); !wrong.empty()) return usage(wrong);
    if (check_.seconds && !(std::isfinite(*check_.seconds) && *check_.seconds > 0)) {
      return usage("--time takes a number of seconds greater than 0");
    }
    return *chosen_;
  }

  /// What a single option cannot say of `ask`; empty if nothing is wrong.
  [[nodiscard]] std::string wrong_of_ask() const {
    if (!app_.got_subcommand("ask")) return {};
    const bool words = !ask_.ste.empty() || !ask_.cd.empty() || !ask_.hitless.empty();
    const bool question = app_.get_subcommand("ask")->count("question") != 0;
    if (!question && !words) return "a question is required, or --ste, --cd or --hitless";
    if (question && words) return "a question in words, or --ste, --cd or --hitless: not both";
    if (ask_.hitless.empty() && (!ask_.order.empty() || ask_.of_cds)) {
      return "--order and --of go with --hitless";
    }
    if (!ask_.hitless.empty() && (!ask_.cd.empty() || (!ask_.ste.empty() && !ask_.of_cds))) {
      return "--hitless has its words itself; --ste says by which STE CDs are reached (--of cd)";
    }
    return {};
  }

  int usage(const std::string& what) const {
    const auto subcommands = app_.get_subcommands();
    const std::string name = subcommands.empty() ? "" : " " + subcommands.front()->get_name();
    fmt::print(stderr, "iommucheck{}: {}\nTry: iommucheck{} --help\n", name, what, name);
    return exit_status(Verdict::undecided);
  }

  bool is_command(std::string_view name) const {
    return std::ranges::any_of(app_.get_subcommands({}),
                               [name](const CLI::App* app) { return app->get_name() == name; });
  }
  std::string commands() const {
    std::string text;
    for (const auto* app : app_.get_subcommands({}))
      text += (text.empty() ? "" : " ") + app->get_name();
    return text;
  }

  template <class Options>
  CLI::App& command(const char* name, const char* text, Options& options) {
    CLI::App& app = *app_.add_subcommand(name, text);
    app.footer(footer_of(name));
    app.callback([this, &options] { chosen_ = options; });
    return app;
  }

  void add_litmus() {
    CLI::App& app =
        command("litmus", "Judge litmus tests: which outcomes may hardware give?", litmus_);
    app.add_option("files", litmus_.files, "files of tests")->type_name("FILE");
    app.add_flag("--list-words", litmus_.list_words,
                 "judge nothing: print the words of the format");
    app.add_option("--to-corpus", litmus_.corpus,
                   "judge nothing: write each test as a seed of fuzz_litmus there")
        ->type_name("DIR");
    app.add_flag("-q,--quiet", litmus_.quiet,
                 "sets and their reasons only where they differ from what the test expects");
    add_report_format(app, litmus_.format);
    add_reports(app, litmus_.reports);
  }

  void add_ask() {
    CLI::App& app =
        command("ask",
                "One question: what may an access reach, is this STE or CD legal, what may be seen "
                "between two of them?",
                ask_);
    app.add_option("question", ask_.question,
                   "lines of a litmus test, with ; between; - reads them from standard input")
        ->type_name("QUESTION");
    app.add_option("--ste", ask_.ste,
                   "words of an STE, from the first on: what it says, whether it is legal, and by "
                   "which sentence")
        ->type_name("WORD,...");
    app.add_option("--cd", ask_.cd, "words of a CD, under the STE of --ste or one of stage 1")
        ->type_name("WORD,...");
    app.add_option("--hitless", ask_.hitless,
                   "two STEs, OLD and NEW: what a fetch may meet while one becomes the other")
        ->type_name("WORD,...")
        ->expected(2);
    app.add_option("--order", ask_.order,
                   "with --hitless: the steps, with commas between: N stores word N of NEW, "
                   "N=VALUE another value, barrier, sync (barrier, CFGI, CMD_SYNC). Without it "
                   "the shortest that is hitless, if there is one")
        ->type_name("STEP,...");
    app.add_option_function<std::string>(
           "--of", [this](const std::string& name) { ask_.of_cds = name == "cd"; },
           "with --hitless: what the words are of (default: ste)")
        ->check(CLI::IsMember({"ste", "cd"}).description(""))
        ->type_name("ste|cd");
    app.add_option("--machine", ask_.machine, "whose ID registers decide, as `check` has it")
        ->type_name("MACHINE")
        ->capture_default_str();
    app.add_option("--smmu", ask_.smmu, "what of it is otherwise, or a file of such lines")
        ->type_name("FILE|KEY=VALUE,...");
    add_format(app, ask_.format);
  }

  void add_scenario() {
    CLI::App& app = command(
        "scenario", "Run scenarios: calls, their exact results, and what each access reaches",
        scenario_);
    app.add_option("files", scenario_.files, "files of scenarios")->required()->type_name("FILE");
    app.add_option("--driver", scenario_.driver,
                   "builtin (its tables as the scenario says), builtin-per-device, spec (the "
                   "interface specification alone), or the path of a plug-in")
        ->type_name("DRIVER")
        ->capture_default_str();
    app.add_option("--backend", scenario_.backend,
                   "two: every scenario that may run there on the second backend")
        ->type_name("BACKEND")
        ->check(CLI::IsMember({"two"}).description(""))
        ->excludes("--driver");
    app.add_option("--out", scenario_.out, "folder for the traces of failures")->type_name("DIR");
    app.add_flag("--all-traces", scenario_.all_traces, "with --out: also of what passes");
    app.add_option("--to-corpus", scenario_.corpus,
                   "run nothing: write each as a seed of fuzz_api there, where it can be said")
        ->type_name("DIR");
    app.add_flag("--coverage", scenario_.coverage,
                 "instead of verdicts: each answer that the interface permits, and the scenario "
                 "that shows it on the builtin driver, or why none does");
    app.add_flag("-q,--quiet", scenario_.quiet,
                 "only what did not pass, or what nothing shows or explains");
    add_report_format(app, scenario_.format);
    add_reports(app, scenario_.reports);
  }

  void add_check() {
    CLI::App& app = command("check", "Check a driver in lockstep with the specification", check_);
    app.add_option("files", check_.files,
                   "sequences to run first, each on every machine: lines of operations, or inputs "
                   "of fuzz_api. Without --runs, --time and --corpus nothing else is run")
        ->type_name("FILE")
        ->check(readable());
    add_corpus(app);
    add_known(app);
    app.add_option_function<std::vector<std::string>>(
           "--driver",
           [this](const std::vector<std::string>& drivers) {
             if (drivers.size() > 2) throw CLI::ValidationError("--driver", "two at most");
             check_.driver = drivers.front();
             check_.other = drivers.size() == 2 ? drivers.back() : "";
           },
           "builtin, builtin-per-device, or the path of a plug-in (driver.h); given twice, the two "
           "are "
           "compared. Default: builtin")
        ->type_name("DRIVER")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    app.add_option("--machine", check_.machine,
                   "what the SMMU claims and its devices: drawn (several, from the seed), "
                   "drawn:SEED, default, changed by KEY=VALUE,...; docs/drivers.md")
        ->type_name("MACHINE")
        ->capture_default_str();
    app.add_option("--smmu", check_.smmu,
                   "the SMMU to be met: what is named is so on every machine, the rest is drawn")
        ->type_name("FILE|KEY=VALUE,...");
    app.add_option("--devices", check_.devices,
                   "the devices to be met: SID[+SID]:PASID_BITS[:ats][:stall][:group=N], with / "
                   "between them")
        ->type_name("DEVICES");
    app.add_option("--seed", check_.seed,
                   "all randomness comes from it; drawn and printed if absent")
        ->type_name("N")
        ->check(whole());
    app.add_option("--runs", check_.runs, "number of sequences; 0: what the time allows")
        ->type_name("N")
        ->check(whole());
    app.add_option("--time", check_.seconds, "seconds; without --runs 60")->type_name("SECONDS");
    app.add_option("--from", check_.from, "number of the first sequence, to go on with a run")
        ->type_name("N")
        ->check(whole());
    app.add_option(
           "-j,--jobs", check_.jobs,
           "processes side by side; the result is the same for any number. Default: one for "
           "each processor")
        ->type_name("N")
        ->check(whole(1, 256));
    app.add_option("--operations", check_.operations, "operations of a sequence at most, up to 64")
        ->type_name("N")
        ->check(whole(1, 64))
        ->capture_default_str();
    app.add_option("--out", check_.out, "folder for the traces of findings; \"\" for none")
        ->type_name("DIR")
        ->capture_default_str();
    app.add_option("--findings", check_.findings,
                   "end after so many new findings, told apart by rule and kind")
        ->type_name("N")
        ->check(whole(1, 1000))
        ->capture_default_str();
    app.add_option("--hang", check_.hang_seconds, "a plug-in without progress for so long hangs")
        ->type_name("SECONDS")
        ->check(whole(1, 3600))
        ->capture_default_str();
    app.add_option_function<std::string>(
           "--precision", [this](const std::string& name) { check_.scan = name == "scan"; },
           "how a plug-in's stores are seen: it says each (precise), or memory is compared (scan)")
        ->check(CLI::IsMember({"precise", "scan"}).description(""))
        ->type_name("precise|scan");
    app.add_option_function<std::string>(
           "--window",
           [this](const std::string& name) { check_.identity_window = name == "identity"; },
           "where table memory lies: anywhere, or where its physical address says (identity), for "
           "drivers that take such addresses for pointers")
        ->check(CLI::IsMember({"anywhere", "identity"}).description(""))
        ->type_name("anywhere|identity");
    app.add_option_function<std::string>(
           "--isolate", [this](const std::string& name) { check_.isolate_case = name == "case"; },
           "a process for a plug-in's cases together (worker), or one forked for each (case)")
        ->check(CLI::IsMember({"worker", "case"}).description(""))
        ->type_name("worker|case");
    app.add_flag("--no-shrink", check_.no_shrink, "report the sequences as they were found");
    app.add_flag("--rules", check_.all_rules, "the verdict of each rule");
    app.add_flag("--coverage", check_.coverage,
                 "functions and blocks of the driver that were never entered; of a plug-in that "
                 "iommucheck cc --coverage built");
    app.add_flag("--count-stores", check_.count_stores,
                 "whether each store was told, by the processor's own count (slow; x86-64); of a "
                 "plug-in that iommucheck cc built");
    app.add_option("--not-claimed", check_.not_claimed,
                   "what is not asked, beside what the driver says of itself: time-outs, "
                   "memory-type, moves, ranges, unrolling, short-memory, structures, domains, "
                   "stage-2, groups, blocking, interrupts; or nothing: all is, whatever it says")
        ->type_name("NAME,...");
    app.add_flag("--strict", check_.strict,
                 "a run with undetermined rules has no verdict (exit status 2)");
    add_report_format(app, check_.format);
    add_reports(app, check_.reports);
  }

  void add_corpus(CLI::App& app) {
    app.add_option("--corpus", check_.corpus,
                   "folder of sequences: all of it is run first, and random ones that show "
                   "something new are kept there")
        ->type_name("DIR");
    app.add_option("--corpus-max", check_.corpus_max, "sequences that it holds at most")
        ->type_name("N")
        ->check(whole(1, 1'000'000))
        ->capture_default_str();
    app.add_flag("--minimize", check_.minimize,
                 "take files that a run has written out of the corpus where they show nothing "
                 "that others do not");
    app.add_option("--to-corpus", check_.to_corpus,
                   "run nothing: write --runs sequences as seeds of fuzz_api there")
        ->type_name("DIR");
  }

  void add_known(CLI::App& app) {
    app.add_option("--known", check_.known,
                   "file of findings that neither end the run nor fail it; docs/drivers.md")
        ->type_name("FILE")
        ->check(readable());
    app.add_option("--allow", check_.allow,
                   "a rule, in one call or operation if :WHERE names it, whose findings neither "
                   "end the run nor fail it. May be given several times")
        ->type_name("RULE[:WHERE]")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    app.add_option("--write-known", check_.write_known,
                   "write that file as it would be now, the reasons left to be written")
        ->type_name("FILE");
  }

  void add_conform() {
    CLI::App& app =
        command("conform", "Check a device under test against the specification", conform_);
    CLI::Option* device =
        app.add_option(
               "--device", conform_.device,
               "qemu, \"qemu:PATH ARGUMENTS\", spec: the specification as a device, fast: the "
               "fast model; one's own: ./mine.so, \"exec:COMMAND\", unix:PATH (docs/conform.md)")
            ->type_name("DEVICE")
            ->capture_default_str();
    CLI::Option* backend =
        app.add_option("--backend", conform_.backend,
                       "in the place of a device, a backend of the core with the model of its "
                       "hardware: two; one's own: ./mine.so (docs/backends.md)")
            ->type_name("BACKEND")
            ->excludes(device);
    app.add_option("--runs", conform_.runs,
                   "with --backend, random sequences; 0: what the time allows")
        ->type_name("N")
        ->check(whole())
        ->needs(backend);
    app.add_option("--seed", conform_.seed,
                   "all randomness comes from it; drawn and printed if absent")
        ->type_name("N")
        ->check(whole());
    app.add_option("--time", conform_.seconds,
                   "seconds for all of it; directed cases, and scenarios, are finished in any case")
        ->type_name("SECONDS")
        ->check(CLI::Range(0.0, 86400.0).description(""))
        ->each([this](const std::string&) { conform_.seconds_given = true; })
        ->capture_default_str();
    app.add_option("--cases", conform_.cases, "random cases at most; 0: what the time allows")
        ->type_name("N")
        ->check(whole())
        ->excludes(backend);
    app.add_option("--known", conform_.known,
                   "file of known divergences; without it the one in data/known that fits")
        ->type_name("FILE")
        ->check(readable())
        ->excludes(backend);
    app.add_flag("--no-known", conform_.no_known, "no divergence is known")->excludes(backend);
    app.add_option(
           "--out", conform_.out,
           "folder for traces, and for the file of known divergences as it would be now; of "
           "a backend for the scenario of each rule that is broken")
        ->type_name("DIR");
    app.add_option("--replay", conform_.replay,
                   "only this trace of conform, on the device; or this file of scenarios, on the "
                   "backend")
        ->type_name("TRACE")
        ->check(readable());
    CLI::Option* only =
        app.add_option("--only", conform_.only, "directed cases with a name like this alone")
            ->type_name("GLOB")
            ->excludes(backend);
    app.add_option("--case", conform_.one_case, "the random case of that number and --seed alone")
        ->type_name("N")
        ->check(whole())
        ->excludes(only)
        ->excludes(backend);
    app.add_option("--from", conform_.from,
                   "number of the first random case or sequence, to go on with a run")
        ->type_name("N")
        ->check(whole());
    app.add_option("-j,--jobs", conform_.jobs,
                   "devices side by side; the result is the same for any number")
        ->type_name("N")
        ->check(whole(1, 256))
        ->excludes(backend)
        ->capture_default_str();
    app.add_flag("--list", conform_.list, "the names of the directed cases of the device")
        ->excludes(backend);
    app.add_option("--hang", conform_.hang_seconds,
                   "a device of one's own that gives no answer for so long hangs")
        ->type_name("SECONDS")
        ->check(CLI::Range(0.05, 3600.0).description(""))
        ->capture_default_str();
    app.add_flag("--rules", conform_.all_rules, "the verdict of each rule")->excludes(backend);
    add_report_format(app, conform_.format);
    add_reports(app, conform_.reports);
  }

  void add_replay() {
    CLI::App& app =
        command("replay", "Judge a trace: a finding, or an imported recording", replay_);
    app.add_option("trace", replay_.trace, "plain, .gz or .zst")
        ->required()
        ->type_name("TRACE")
        ->check(readable());
    app.add_option("--driver", replay_.driver,
                   "run the cases of a trace of check again with this driver, in a new process")
        ->type_name("DRIVER");
    app.add_option("--hang", replay_.hang_seconds, "with --driver: without progress for so long")
        ->type_name("SECONDS")
        ->check(whole(1, 3600))
        ->capture_default_str();
    app.add_option("--findings", replay_.findings, "show so many at most")
        ->type_name("N")
        ->check(whole(1, 100'000))
        ->capture_default_str();
    app.add_flag("--rules", replay_.all_rules, "the verdict of each rule");
    add_report_format(app, replay_.format);
    add_reports(app, replay_.reports);
  }

  void add_export() {
    CLI::App& app =
        command("export", "Write a trace of conform as a program that runs by itself", export_);
    app.add_option("trace", export_.trace, "a trace that conform wrote")
        ->required()
        ->type_name("TRACE")
        ->check(readable());
    app.add_option("--as", export_.form,
                   "c: for a device behind iommucheck/device.h; qtest: a script for QEMU")
        ->type_name("FORM")
        ->check(CLI::IsMember({"c", "qtest"}))
        ->capture_default_str();
    app.add_option("-o,--output", export_.out, "the program; without it stdout")->type_name("FILE");
  }

  void add_import() {
    CLI::App& app = command("import", "Convert a recording of a real driver to a trace", import_);
    app.add_option("file", import_.file, "smmu-watch-1: plain, .gz or .zst")
        ->required()
        ->type_name("FILE")
        ->check(readable());
    app.add_option("-o,--output", import_.output, "the trace; compressed by its name's end")
        ->required()
        ->type_name("TRACE");
    app.add_option("--assumed-clean", import_.assumed_clean,
                   "whether caches hold nothing stale where it begins (true or false)")
        ->type_name("BOOL");
  }

  void add_rules() {
    CLI::App& app =
        command("rules", "The catalogue: what is checked, and who must keep it", rules_);
    app.add_option("names", rules_.names, "only these")->type_name("RULE");
    app.add_option("--family", rules_.family, "only of this family")->type_name("FAMILY");
    app.add_option("--keeper", rules_.keeper, "only those that this party must keep")
        ->type_name("PARTY");
    add_format(app, rules_.format);
  }

  void add_explain() {
    CLI::App& app = command(
        "explain", "Explain a rule, or draw what memory says at a line of a trace", explain_);
    app.add_option("what", explain_.what,
                   "a rule's name, or a trace; without :LINE up to its first finding")
        ->required()
        ->type_name("RULE|TRACE[:LINE]");
    app.add_option("stream", explain_.stream,
                   "what an access of this stream may meet, with reasons")
        ->type_name("SID[.PASID]");
    app.add_option("address", explain_.va, "the input address of that access")->type_name("VA");
  }

  void add_prove() {
    CLI::App& app = command("prove", "Prove the pure part; refute its broken twins", prove_);
    app.add_option("--only", prove_.only, "proofs with this in their name")->type_name("NAME");
    app.add_flag("--no-twins", prove_.no_twins, "leave the broken twins out");
    app.add_option("--smt2", prove_.smt2, "write each query there")
        ->type_name("DIR")
        ->check(CLI::ExistingDirectory);
    add_format(app, prove_.format);
  }

  void add_bench() {
    CLI::App& app = command("bench", "Run the benchmarks", bench_);
    app.add_option("arguments", bench_.arguments, "for Google Benchmark")->type_name("ARGS");
    app.prefix_command();
    app.callback([this, &app] {
      const auto remaining = app.remaining();
      bench_.arguments.insert(bench_.arguments.end(), remaining.begin(), remaining.end());
      chosen_ = bench_;
    });
  }

  void add_cc() {
    CLI::App& app = command(
        "cc", "Compile a plug-in so that its plain stores are seen one by one (clang)", cc_);
    // They do not come here: parse() hands them over as they are, in their order.
    app.add_option("arguments", cc_.arguments, "for the compiler, as they are")
        ->type_name("ARGS")
        ->required();
  }

  CLI::App app_;
  std::optional<Command> chosen_;
  bool bisect_ = false;
  LitmusOptions litmus_;
  AskCommand ask_;
  ScenarioCommand scenario_;
  CheckCommand check_;
  ConformCommand conform_;
  ReplayCommand replay_;
  ImportCommand import_;
  ExportCommand export_;
  RulesCommand rules_;
  ExplainCommand explain_;
  ProveCommand prove_;
  BenchCommand bench_;
  CcCommand cc_;
};

}  // namespace

Parsed parse(int argc, char** argv) {
  const bool compiles = argc > 2 && std::string_view(argv[1]) == "cc" &&
                        std::string_view(argv[2]) != "--help" && std::string_view(argv[2]) != "-h";
  if (compiles) return {.command = CcCommand{{argv + 2, argv + argc}}};
  return Reader().read(argc, argv);
}

int status_of_bisect(int status, bool bad_usage) {
  constexpr int skip = 125, end = 128;
  if (status == exit_status(Verdict::held) || status == exit_status(Verdict::violated))
    return status;
  return bad_usage ? end : skip;
}

}  // namespace iommucheck::cli
