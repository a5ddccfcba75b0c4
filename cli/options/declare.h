// SPDX-License-Identifier: MIT
// What the commands' options are declared with. This header and its source are the one place that
// includes CLI11; options/NAME.cpp declares the options of a command.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "cli/options.h"

namespace iommucheck::cli {

/// The commands of an application, and the struct of the one that was given.
class Commands {
 public:
  explicit Commands(CLI::App& app) : app_(app) {}
  Commands(const Commands&) = delete;
  Commands& operator=(const Commands&) = delete;

  template <class Options>
  struct Added {
    CLI::App& app;
    Options& options;  ///< filled while CLI11 parses
  };
  /// A command. `examples` are lines that --help shows, each with its end; where they are more than
  /// examples (an exit status of its own), so they stand.
  template <class Options>
  Added<Options> add(const std::string& name, const std::string& text, std::string_view examples) {
    auto options = std::make_shared<Options>();
    kept_.push_back(options);
    CLI::App& app = add_app(name, text, examples);
    app.callback([this, &its = *options] { chosen_ = its; });
    return {app, *options};
  }
  /// What no single option can say: asked of the command that was given, when all are read; empty
  /// if nothing is wrong.
  void refuse(const CLI::App& app, std::function<std::string()> wrong);
  /// What is wrong with the command that was given; empty if nothing is.
  [[nodiscard]] std::string wrong() const;
  /// The last one that was given.
  [[nodiscard]] const std::optional<Command>& chosen() const { return chosen_; }
  /// Takes another struct than the one that add() made: for what is left over.
  void choose(Command command) { chosen_ = std::move(command); }
  /// --bisect, of commands that judge.
  void add_bisect(CLI::App& app);
  [[nodiscard]] bool bisect() const { return bisect_; }

 private:
  CLI::App& add_app(const std::string& name, const std::string& text, std::string_view examples);

  struct Refusal {
    const CLI::App* app;
    std::function<std::string()> wrong;
  };
  CLI::App& app_;
  std::vector<std::shared_ptr<void>> kept_;  // what options are read into
  std::optional<Command> chosen_;
  std::vector<Refusal> refusals_;
  bool bisect_ = false;
};

/// Below each --help.
extern const char* const exit_statuses;

/// --format text|json.
void add_format(CLI::App& app, Format& format);
/// The same for commands whose results are tests: every form that standard output may have.
void add_report_format(CLI::App& app, Format& format);
/// --profile FILE: `keys` gets what it states, as keys of a machine.
void add_profile(CLI::App& app, std::string& keys);
/// Of one that may be given several times: one value each time, whatever stands behind it.
void takes_one_each_time(CLI::Option& option);
/// --report FILE, several times.
void add_reports(CLI::App& app, std::vector<std::string>& files);

/// CLI11 would take -5 as 2^64 - 5, and 010 as 8.
CLI::Validator whole(u64 from, u64 to);
CLI::Validator whole();
/// CLI11 would take 0x10 and what begins with a blank, nothing at all for a value that was not
/// given, and nan for one that is within any bounds.
CLI::Validator seconds(double from, double to);
/// Of --time, which no run can be without.
CLI::Validator seconds_of_a_run();
/// Of --hang: what makes no progress for so many seconds hangs.
CLI::Validator seconds_of_a_hang();
/// A file that can be read, be it a pipe.
CLI::Validator readable();

// A command each, or a few that are small, in the file of the name.
void add_litmus(Commands& commands);
void add_ask(Commands& commands);
void add_scenario(Commands& commands);
void add_check(Commands& commands);
void add_conform(Commands& commands);
void add_matrix(Commands& commands);
void add_replay(Commands& commands);
void add_import(Commands& commands);
void add_export(Commands& commands);
void add_rules(Commands& commands);
void add_explain(Commands& commands);
void add_prove(Commands& commands);
void add_cc(Commands& commands);
void add_bench(Commands& commands);
void add_init(Commands& commands);
void add_linux(Commands& commands);
void add_campaign(Commands& commands);
void add_merge(Commands& commands);

}  // namespace iommucheck::cli
