// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <optional>

#include "cli/addresses.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/terminal.h"

namespace iommucheck::cli {
namespace {

int run(const LitmusOptions& options) { return run_litmus(options); }
int run(const AskCommand& options) { return run_ask(options); }
int run(const ScenarioCommand& options) { return run_scenario(options); }
int run(const CheckCommand& options) { return run_check(options); }
int run(const ConformCommand& options) { return run_conform(options); }
int run(const MatrixCommand& options) { return run_matrix(options); }
int run(const ReplayCommand& options) { return run_replay(options); }
int run(const ImportCommand& options) { return run_import(options); }
int run(const ExportCommand& options) { return run_export(options); }
int run(const RulesCommand& options) { return run_rules(options); }
int run(const ExplainCommand& options) { return run_explain(options); }
int run(const ProveCommand& options) { return run_prove(options); }
int run(const BenchCommand& options) { return run_bench(options); }
int run(const CcCommand& options) { return run_cc(options); }
int run(const InitCommand& options) { return run_init(options); }
int run(const LinuxCommand& options) { return run_linux(options); }
int run(const CampaignCommand& options) { return run_campaign(options); }
int run(const MergeCommand& options) { return run_merge(options); }

/// Of the commands that judge, whose text is sentences; drawings, tables and programs stay as they
/// are, and so does what is for programs to read.
template <class Options>
bool is_prose(const Options& /*options*/) {
  return false;
}
bool is_prose(const AskCommand& options) { return options.format == Format::text; }
bool is_prose(const ScenarioCommand& options) { return options.format == Format::text; }
bool is_prose(const CheckCommand& options) { return options.format == Format::text; }
bool is_prose(const ConformCommand& options) { return options.format == Format::text; }
bool is_prose(const ReplayCommand& options) { return options.format == Format::text; }
bool is_prose(const CampaignCommand& options) { return options.check.format == Format::text; }

int run(int argc, char** argv) {
  const Parsed parsed = parse(argc, argv);
  const int* ended = std::get_if<int>(&parsed.command);
  const bool prose =
      ended == nullptr && std::visit([](const auto& options) { return is_prose(options); },
                                     std::get<Command>(parsed.command));
  std::optional<TerminalOutput> terminal;
  if (prose) terminal.emplace();
  int status = ended != nullptr ? *ended
                                : std::visit([](const auto& options) { return run(options); },
                                             std::get<Command>(parsed.command));
  if (terminal ? !terminal->flush() : std::fflush(stdout) != 0) {
    fmt::print(stderr, "iommucheck: cannot write to stdout\n");
    if (status != exit_status(Verdict::violated)) status = exit_status(Verdict::environment);
  }
  return parsed.bisect ? status_of_bisect(status, ended != nullptr) : status;
}

}  // namespace
}  // namespace iommucheck::cli

int main(int argc, char** argv) {
  iommucheck::cli::fix_addresses(argv);
  ::signal(SIGXFSZ, SIG_IGN);  // a write beyond the limit fails, and is told (ulimit -f)
  try {
    return iommucheck::cli::run(argc, argv);
  } catch (const std::exception& error) {  // no memory, or a mistake of ours
    fmt::print(stderr, "iommucheck: {}\n", error.what());
    using iommucheck::oracle::Verdict;
    return iommucheck::oracle::exit_status(Verdict::environment);
  }
}
