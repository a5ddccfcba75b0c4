// SPDX-License-Identifier: MIT
#include "cli/conform_backend.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "base/clock.h"
#include "cli/console.h"
#include "cli/embedded.h"
#include "cli/reports.h"
#include "cli/scenario_results.h"
#include "cli/seeds.h"
#include "cli/verdicts.h"
#include "scenario/format/parser.h"
#include "scenario/random/backends.h"
#include "scenario/random/draw.h"
#include "scenario/random/sequences.h"
#include "scenario/run/needs.h"

namespace iommucheck::cli {
namespace {

using oracle::stories::AloneOptions;
using oracle::stories::ScenarioResult;
using oracle::stories::SequenceFinding;
using oracle::stories::SequencesResult;
using scenario::Scenario;
using Status = ScenarioResult::Status;

class BackendRun {
 public:
  explicit BackendRun(const ConformCommand& options)
      : options_(options), seed_(options.seed ? *options.seed : drawn_seed()) {}

  int run() {
    const auto begin = Clock::now();
    if (!options_.out.empty()) {
      if (const int made = make_folder("conform", options_.out); made != exit_held) return made;
    }
    subject_.subjects = [this] { return oracle::stories::subjects_of(options_.backend); };
    subject_.hang_seconds = options_.hang_seconds;
    subject_.stop = interrupted;
    print("conform of backend {}, seed {}\n", options_.backend, seed_);
    std::fflush(stdout);
    catch_interrupts();
    const auto probed = oracle::stories::probe_backend(options_.backend, options_.hang_seconds);
    if (probed) faults_wait_ = oracle::stories::can_wait(*probed);
    if (probed) groups_ = probed->request_groups;
    Expected<void> done = probed ? run_scenarios() : std::unexpected(probed.error());
    if (done && options_.replay.empty()) done = run_random(begin);
    progress_.clear();
    if (!done) {
      return ended_by(done.error(), report_of("conform", options_.backend, {}), options_.reports,
                      options_.format);
    }
    return end(seconds_since(begin));
  }

 private:
  template <class... Parts>
  void print(fmt::format_string<Parts...> format, Parts&&... parts) {
    progress_.clear();
    if (options_.format == Format::text) fmt::print(format, std::forward<Parts>(parts)...);
  }

  // ---- scenarios: those that the command carries, or the one to be replayed ----

  Expected<void> run_scenarios() {
    if (!options_.replay.empty()) {
      const auto file = scenario::parse_file(options_.replay);
      if (!file) return std::unexpected(file.error());
      return run_file(*file, options_.replay);
    }
    for (const EmbeddedFile& embedded : embedded_files()) {
      if (!embedded.name.ends_with(".scenario")) continue;
      const auto file = scenario::parse(embedded.text, embedded.name);
      if (!file) return std::unexpected(file.error());
      if (auto done = run_file(*file, std::string(embedded.name)); !done) return done;
    }
    return {};
  }

  Expected<void> run_file(const scenario::File& file, const std::string& path) {
    for (const Scenario& scenario : file.scenarios) {
      if (interrupted() || died_ == deaths_max) return {};
      const auto result = oracle::stories::run_alone(scenario, subject_);
      if (!result && interrupted()) return {};
      if (!result) return std::unexpected(result.error());
      note(scenario, *result, path);
      if (progress_.due()) progress_.show(fmt::format("{} scenarios", passed_ + failed_ + needs_));
    }
    return {};
  }

  void note(const Scenario& scenario, const ScenarioResult& result, const std::string& path) {
    tests_.push_back(case_of(scenario, result, path));
    switch (result.status) {
      case Status::passed: ++passed_; break;
      case Status::needs:
        ++needs_;
        for (const std::string& need : result.needs) not_run_[need].push_back(scenario.id);
        break;
      case Status::undecided:
        end_.undecided(fmt::format("scenario {}: {}", scenario.id, result.bound));
        break;
      case Status::failed:
        ++failed_;
        print("{}", text_of(scenario, result, path));
        if (result.failure->rule == spec::Rule::HANG_RETURNS && ++died_ == deaths_max) {
          print("it hung in {} scenarios; the others are left out\n", deaths_max);
          end_.undecided("scenarios are left out");
        }
    }
  }

  // ---- random sequences ----

  Expected<void> run_random(Clock::time_point begin) {
    if (interrupted()) return {};
    oracle::stories::SequencesOptions asked;
    asked.seed = seed_;
    asked.from = options_.from;
    asked.runs = options_.runs;
    asked.draw.faults_wait = faults_wait_;
    asked.draw.groups = groups_;
    // With --runs alone the number says when it ends.
    if (options_.runs == 0 || options_.seconds_given) {
      asked.seconds = std::max(options_.seconds - seconds_since(begin), 0.001);
    }
    asked.progress = [&](u64 runs, u64 findings) {
      if (progress_.due()) {
        progress_.show(fmt::format("{} sequences, {} rules broken", grouped(runs), findings));
      }
    };
    auto result = oracle::stories::run_sequences(subject_, asked);
    progress_.clear();
    if (!result) return std::unexpected(result.error());
    random_ = std::move(*result);
    for (const SequenceFinding& finding : random_.findings) show(finding);
    return {};
  }

  void show(const SequenceFinding& finding) {
    const spec::RuleInfo& rule = spec::rule_info(finding.rule);
    const std::string text = oracle::stories::text_of_lines(finding.lines);
    const std::string name = fmt::format("{}.scenario", rule.name);
    std::string again = fmt::format("iommucheck conform --backend {} --seed {} --from {} --runs 1",
                                    options_.backend, seed_, finding.sequence);
    if (!options_.out.empty()) {
      const int written = write_seed("conform", options_.out, name, text);
      if (written != exit_held) {
        end_.environment(fmt::format("{}/{} cannot be written", options_.out, name));
      } else {
        again = fmt::format("iommucheck conform --backend {} --replay {}/{}", options_.backend,
                            options_.out, name);
      }
    }
    print("BROKEN {} ({}), at fault: {}\n  rule: {} [{}]\n", rule.name,
          spec::family_name(rule.family), at_fault(rule.keeper), rule.text, rule.section);
    for (const std::string& line : finding.failure.evidence) print("  {}\n", line);
    print("  at: {}\n", finding.failure.step);
    print("  first in sequence {} of seed {}, {} times; the shortest that was found, {} lines:\n",
          finding.sequence, seed_, finding.times, finding.lines.size());
    for (const std::string& line : finding.lines) print("    {}\n", line);
    print("  again: {}\n", again);
    oracle::JunitCase one;
    one.name = std::string(rule.name);
    one.group = "random sequences";
    one.status = oracle::JunitStatus::failed;
    one.type = std::string(spec::family_name(rule.family));
    one.message = finding.failure.evidence.empty() ? finding.failure.observed
                                                   : finding.failure.evidence.back();
    one.details = text + "again: " + again + "\n";
    tests_.push_back(std::move(one));
  }

  /// A driver here is the core, which is this project's, and the backend, which is asked.
  static std::string_view at_fault(spec::Keeper keeper) {
    return keeper == spec::Keeper::driver ? "backend" : spec::keeper_name(keeper);
  }

  // ---- the end ----

  void show_what_was_not_run() {
    for (const auto& [need, scenarios] : not_run_) {
      print("not run, it needs {}: {}\n", need, fmt::join(scenarios, " "));
    }
  }

  int end(double seconds) {
    if (failed_ != 0 || !random_.findings.empty()) end_.found();
    if (interrupted() || random_.stopped) end_.undecided("stopped");
    if (passed_ + failed_ + random_.whole == 0) {
      end_.undecided("no scenario and no sequence was run to its end");
    } else if (options_.runs != 0 && random_.runs < options_.runs && options_.replay.empty()) {
      end_.undecided(fmt::format("{} of the {} sequences that --runs asks for were run",
                                 random_.runs, options_.runs));
    } else if (random_.runs != 0 && random_.whole == 0) {
      end_.undecided("no sequence was run to its end");
    }
    const int status = finish("conform", end_);
    oracle::Report report = report_of("conform", options_.backend, end_);
    report.seconds = seconds;
    report.summary = fmt::format(
        "backend {} against the interface: {}, scenarios {} passed, {} failed, {} not run, "
        "{} sequences, {} rules broken",
        options_.backend, verdict_word(end_), passed_, failed_, needs_, grouped(random_.runs),
        random_.findings.size());
    report.tests = std::move(tests_);
    report.property("seed", seed_);
    report.property("passed", passed_);
    report.property("failed", failed_);
    report.property("needs", needs_);
    report.property("sequences", random_.runs);
    report.property("cut_short", random_.cut_short);
    if (options_.format == Format::text) {
      show_what_was_not_run();
      if (random_.runs != 0) {
        print(
            "{} sequences from seed {}: {} to their end, {} cut short where a call failed that "
            "the rest needs, {} without a verdict; {:.1f} s\n",
            grouped(random_.runs), seed_, grouped(random_.whole), grouped(random_.cut_short),
            grouped(random_.undecided), seconds);
      }
      print("{}\n", report.summary);
    } else {
      print_document(report, options_.format);
    }
    return write_reports(report, options_.reports, status);
  }

  static constexpr u32 deaths_max = 5;  // each takes the time of a hang

  const ConformCommand& options_;
  u32 died_ = 0;  // scenarios in which it hung
  u64 seed_;
  AloneOptions subject_;
  ProgressLine progress_;
  std::vector<oracle::JunitCase> tests_;
  SequencesResult random_;
  bool groups_ = true;
  bool faults_wait_ = true;
  std::map<std::string, std::vector<std::string>> not_run_;  // by what they need
  u64 passed_ = 0, failed_ = 0, needs_ = 0;
  oracle::RunEnd end_;
};

}  // namespace

int run_conform_backend(const ConformCommand& options) { return BackendRun(options).run(); }

}  // namespace iommucheck::cli
