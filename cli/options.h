// SPDX-License-Identifier: MIT
// The command line: a struct for each command. What declares their options is in cli/options/.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/types.h"
#include "host/limits.h"

namespace iommucheck::cli {

enum class Format : u8 { text, json, junit, ktap };

struct LitmusOptions {
  Format format = Format::text;
  std::vector<std::string> reports;  ///< files, as --report names them
  std::vector<std::string> files;
  std::string corpus;  ///< folder for seeds of fuzz_litmus; empty: judge them
  bool quiet = false;  ///< sets and reasons only where something differs
  bool list_words = false;
  bool list_preludes = false;
  std::string profile;  ///< of each test's device, as keys of a machine; empty: none
};

/// A question in the language of litmus tests, or about words of structures.
struct AskCommand {
  Format format = Format::text;
  std::string question;              ///< "-": standard input
  std::string ste, cd;               ///< WORD,...: words from the first on; what is missing is 0
  std::vector<std::string> hitless;  ///< OLD and NEW, likewise; else empty
  std::string order;                 ///< of stores and commands between them; empty: one is found
  bool of_cds = false;               ///< OLD and NEW are CDs
  std::string machine = "default,s2p=1";
  std::string profile;  ///< what it states, as such keys; empty: none
  std::string smmu;     ///< what of it is fixed: KEY=VALUE,..., or a file of them
};

struct ScenarioCommand {
  Format format = Format::text;
  std::vector<std::string> reports;
  std::vector<std::string> files;
  std::string driver = "builtin";  ///< spec: the interface specification alone; or a plug-in
  std::string profile;             ///< what its SMMU states, as keys of a machine; empty: nothing
  bool guest = false;              ///< --guest: the driver is a guest's
  std::string backend;      ///< two, or an object behind backend.h; empty: each scenario's own
  double hang_seconds = 5;  ///< there, of a step
  std::string out;          ///< folder for traces of failures; empty: none
  bool all_traces = false;  ///< there: also of what passes
  std::string corpus;       ///< folder for seeds of the fuzzers; empty: run them
  bool coverage = false;    ///< what they show of the interface, and nothing else
  bool quiet = false;       ///< only what did not pass, or is not explained
};

struct CheckCommand {
  std::vector<std::string> command_line;  ///< as it was given, behind the program's name
  Format format = Format::text;
  std::vector<std::string> reports;
  std::string driver = "builtin";
  std::string backend;  ///< what the core drives in the place of an SMMUv3; empty: that
  std::string other;    ///< a second driver: the two are compared; empty: there is none
  std::string machine = "drawn";
  std::string profile;      ///< what it states, as such keys; empty: none
  std::string smmu;         ///< what of it is fixed: KEY=VALUE,..., or a file of them
  std::string devices;      ///< its devices, as the key of that name has them
  bool guest = false;       ///< --guest: the driver is a guest's
  std::optional<u64> seed;  ///< absent: drawn, and printed
  u64 runs = 0;
  u64 from = 0;
  std::optional<double> seconds;
  u32 jobs = 0;  ///< 0: as many as there are processors
  u32 operations = 20;
  std::string out = "out";
  u32 findings = 5;
  double hang_seconds = 10;
  u64 hang_steps = oracle::steps_max_default;
  std::string not_claimed;  ///< see oracle::parse_claims
  bool strict = false;      ///< undetermined rules leave the run undecided
  bool no_shrink = false;
  bool all_rules = false;
  bool verbose = false;            ///< each machine by itself
  bool coverage = false;           ///< what of the driver was never entered
  bool scan = false;               ///< --precision scan
  bool identity_window = false;    ///< --window identity
  bool count_stores = false;       ///< whether hooks told each store
  bool isolate_case = false;       ///< --isolate case
  std::vector<std::string> files;  ///< sequences to run, each on every machine
  std::string corpus;              ///< folder of sequences, for what is new too; empty: none
  u32 corpus_max = 4096;
  bool minimize = false;           ///< take out of it what shows nothing of its own
  std::string known;               ///< file of known findings; empty: none is known
  bool known_quietly = false;      ///< they are counted, and not listed
  std::vector<std::string> allow;  ///< RULE[:WHERE]
  std::string write_known;         ///< the file as it would be now; empty: it is not wanted
  std::string to_corpus;           ///< folder for seeds of fuzz_api; empty: run them
};

struct ConformCommand {
  Format format = Format::text;
  std::vector<std::string> reports;
  std::string device = "qemu";
  std::string profile;      ///< what it states, as keys of a machine; empty: nothing
  std::optional<u64> seed;  ///< absent: drawn, and printed
  double seconds = 60;
  u64 cases = 0;
  std::string known;  ///< empty: the file that fits the device
  bool no_known = false;
  std::string out;  ///< folder for traces and the file as it would be now; empty: none
  std::string replay;
  std::string only;
  std::optional<u64> one_case;
  u64 from = 0;
  u32 jobs = 1;
  bool list = false;
  double hang_seconds = 5;
  bool all_rules = false;
  bool verbose = false;  ///< all that is new in full, what is known, each rule that is open
  std::string explain;   ///< kinds that are told in full, as a pattern
  std::string driver;    ///< whose sequences are the cases; empty: conform's own
  std::string corpus;    ///< folder: these come first
};

struct MatrixCommand {
  Format format = Format::text;
  std::vector<std::string> drivers, devices;
  std::optional<u64> seed;  ///< absent: drawn, and printed
  u64 runs = 100;           ///< random sequences of each pair
  std::string corpus;       ///< folder: these come first
  std::string out;          ///< folder for traces; empty: none
  double hang_seconds = 5;
};

struct ReplayCommand {
  std::vector<std::string> reports;
  std::string backend;  ///< whose trace it is; empty: an SMMUv3's driver's, or two's
  std::string driver;   ///< empty: the trace's events are judged; else its cases are run again
  double hang_seconds = 10;
  Format format = Format::text;
  std::string trace;
  u32 findings = 20;
  bool all_rules = false;
};

struct ExportCommand {
  std::string trace;
  std::string form = "c";  ///< or "qtest"
  std::string out;         ///< empty: stdout
};

struct ImportCommand {
  std::string file;
  std::string output;
  std::optional<bool> assumed_clean;
};

struct RulesCommand {
  Format format = Format::text;
  std::vector<std::string> names;
  std::string family;
  std::string keeper;
  bool choices = false;  ///< what a profile may fix, in the place of rules
};

struct ExplainCommand {
  std::string backend;  ///< whose trace it is; empty: an SMMUv3's driver's, or two's
  std::string what;     ///< a rule, or TRACE[:LINE]
  std::string stream;   ///< SID[.PASID]; empty: no access
  std::string va;
  bool html = false;  ///< a page of the trace, up to its first finding
};

/// A check that goes on for as long as one likes, kept in a folder.
struct CampaignCommand {
  CheckCommand check;  ///< driver, machine, seed, runs and so on
  std::string folder;
  u64 slice = 8192;           ///< sequences that are kept together
  u32 shard = 1, shards = 1;  ///< of all slices those whose number is so
};

/// Slices of other campaigns become those of the first one.
struct MergeCommand {
  std::string into;
  std::vector<std::string> from;
};

/// A Linux tree's SMMUv3 driver, by the tree's own headers and build.
struct LinuxCommand {
  Format format = Format::text;
  std::vector<std::string> reports;
  std::string tree;
  std::string base;   ///< a revision of it: what both do is no finding; empty: the tree alone
  std::string build;  ///< a script in the place of examples/drivers/linux/build.sh; empty: that one
  std::string known;  ///< empty: the file that fits the version
  std::optional<u64> seed;
  std::optional<u64> runs;
  std::optional<double> seconds;
  std::optional<u32> findings;
  u32 jobs = 0;
  std::string out = "out/linux";
};

/// A skeleton to begin with.
struct InitCommand {
  std::string kind;    ///< driver, device, backend or ci
  std::string folder;  ///< empty: the current one
};

struct ProveCommand {
  Format format = Format::text;
  std::string only;
  bool no_twins = false;
  std::string smt2;
};

struct BenchCommand {
  std::vector<std::string> arguments;  ///< for the benchmark program
};

/// Arguments for the compiler, as they are; IOMMUCHECK_CC names another one than clang-19.
struct CcCommand {
  std::vector<std::string> arguments;
};

using Command =
    std::variant<CcCommand, LitmusOptions, AskCommand, ScenarioCommand, CheckCommand,
                 ConformCommand, MatrixCommand, ReplayCommand, ImportCommand, ExportCommand,
                 RulesCommand, ExplainCommand, ProveCommand, BenchCommand, InitCommand,
                 LinuxCommand, CampaignCommand, MergeCommand>;

struct Parsed {
  /// The command, or the exit status where nothing is left to do: 0 after --help and --version, 2
  /// for bad usage, which has been said on stderr.
  std::variant<Command, int> command;
  bool bisect = false;  ///< exit statuses are those that `git bisect run` reads
};
Parsed parse(int argc, char** argv);

/// The exit status under --bisect: 125, which skips the revision, where nothing was decided; 128,
/// which ends the bisection, for bad usage.
int status_of_bisect(int status, bool bad_usage);

// One function a command, in the file of its name. They return the exit status of the README: 0 all
// held, 1 a violation was found, 2 the input or usage was bad, 3 the environment failed.
int run_litmus(const LitmusOptions& options);
int run_ask(const AskCommand& options);
int run_scenario(const ScenarioCommand& options);
int run_check(const CheckCommand& options);
int run_conform(const ConformCommand& options);
int run_matrix(const MatrixCommand& options);
int run_replay(const ReplayCommand& options);
int run_import(const ImportCommand& options);
int run_export(const ExportCommand& options);
int run_rules(const RulesCommand& options);
int run_explain(const ExplainCommand& options);
int run_prove(const ProveCommand& options);
int run_bench(const BenchCommand& options);
int run_cc(const CcCommand& options);
int run_init(const InitCommand& options);
int run_linux(const LinuxCommand& options);
int run_campaign(const CampaignCommand& options);
int run_merge(const MergeCommand& options);

}  // namespace iommucheck::cli
