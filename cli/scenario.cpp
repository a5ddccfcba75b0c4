// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>

#include "backends/named.h"
#include "base/clock.h"
#include "check/machine.h"
#include "cli/console.h"
#include "cli/embedded.h"
#include "cli/options.h"
#include "cli/reports.h"
#include "cli/scenario_results.h"
#include "cli/seeds.h"
#include "cli/verdicts.h"
#include "host/load.h"
#include "report/junit.h"
#include "scenario/format/parser.h"
#include "scenario/run/alone.h"
#include "scenario/run/corpus.h"
#include "scenario/run/coverage.h"
#include "scenario/run/driver_subject.h"
#include "scenario/run/runner.h"
#include "spec/rules/interface.h"

namespace iommucheck::cli {
namespace {

using oracle::stories::ScenarioResult;
using scenario::Scenario;
using Status = ScenarioResult::Status;

void write_json(JsonWriter& json, const Scenario& scenario, const ScenarioResult& result,
                const std::string& path) {
  json.begin_object()
      .member("id", scenario.id)
      .member("title", scenario.title)
      .member("file", path)
      .member("line", u64{scenario.place.line})
      .member("status", result.status == Status::passed      ? "ok"
                        : result.status == Status::needs     ? "needs"
                        : result.status == Status::undecided ? "undecided"
                                                             : "FAIL")
      .member("runs", u64{result.runs});
  if (result.status == Status::needs) json.texts("needs", result.needs);
  if (result.failure) {
    const oracle::stories::StepFailure& failure = *result.failure;
    json.key("failure")
        .begin_object()
        .member("line", u64{failure.place.line})
        .member("column", u64{failure.place.column})
        .member("step", failure.step)
        .member("expected", failure.expected)
        .member("observed", failure.observed)
        .texts("evidence", failure.evidence)
        .end_object();
  }
  json.end_object();
}

/// Those of the files, or where none are named those that the command carries.
Expected<std::vector<Scenario>> scenarios_of(const std::vector<std::string>& files) {
  std::vector<Scenario> all;
  for (const std::string& path : files) {
    auto file = scenario::parse_file(path);
    if (!file) return std::unexpected(std::move(file.error()));
    std::ranges::move(file->scenarios, std::back_inserter(all));
  }
  for (const EmbeddedFile& carried : embedded_files()) {
    if (!files.empty() || !carried.name.ends_with(".scenario")) continue;
    auto file = scenario::parse(carried.text, carried.name);
    if (!file) return std::unexpected(std::move(file.error()));
    std::ranges::move(file->scenarios, std::back_inserter(all));
  }
  return all;
}

/// Each scenario that operations can say, as a file of DIR.
int write_corpus(const ScenarioCommand& options) {
  const auto scenarios = scenarios_of(options.files);
  if (!scenarios) return report("scenario", scenarios.error());
  const int made = make_folder("scenario", options.corpus);
  if (made != exit_held) return made;
  u64 written = 0;
  u64 left_out = 0;
  for (const Scenario& scenario : *scenarios) {
    const auto operations = oracle::stories::to_operations(scenario);
    if (!operations) {
      ++left_out;
      continue;
    }
    const std::vector<u8> bytes = fuzz::encode(*operations);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const int status =
        write_seed("scenario", options.corpus, plain_name(scenario.id) + ".ops", text);
    if (status != exit_held) return status;
    ++written;
  }
  fmt::print("{} seeds in {}, {} scenarios that operations cannot say\n", written, options.corpus,
             left_out);
  return exit_held;
}

class ScenarioRun {
 public:
  explicit ScenarioRun(const ScenarioCommand& options) : options_(options) {}

  int run() {
    const auto begin = Clock::now();
    if (const int status = load(); status != exit_held) return status;
    if (is(Format::json)) writer_.begin_object().key("scenarios").begin_array();
    for (const std::string& path : options_.files) run_file(scenario::parse_file_all(path), path);
    if (options_.files.empty()) run_carried();
    const double seconds = seconds_since(begin);
    oracle::add_tests(end_, {passed_, failed_, needs_, "need calls that are not built"});
    const int status = finish("scenario", end_);
    switch (options_.format) {
      case Format::text:
        fmt::print("{} passed, {} failed, {} need calls that are not built\n", passed_, failed_,
                   needs_);
        break;
      case Format::json:
        writer_.end_array()
            .member("driver", subject_name())
            .member("passed", passed_)
            .member("failed", failed_)
            .member("needs", needs_);
        end_json(writer_, end_);
        break;
      case Format::junit:
      case Format::ktap:
        print_suite({"scenario", subject_name(), seconds, std::move(cases_)}, end_,
                    options_.format);
    }
    oracle::Report report = report_of("scenario", subject_name(), end_);
    report.seconds = seconds;
    report.tests = std::move(reported_);
    report.property("passed", passed_);
    report.property("failed", failed_);
    report.property("needs", needs_);
    return write_reports(report, options_.reports, status);
  }

 private:
  [[nodiscard]] const std::string& subject_name() const {
    return options_.backend.empty() ? options_.driver : options_.backend;
  }
  [[nodiscard]] bool is(Format format) const { return options_.format == format; }

  /// Its ID registers are the scenario's.
  [[nodiscard]] spec::Profile stated_profile() const {
    if (options_.profile.empty()) return {};
    const auto machine = oracle::parse_machine(options_.profile);
    return machine ? machine->profile : spec::Profile{};  // who reads profiles has refused others
  }

  /// Whom the scenarios are run on.
  int load() {
    if (options_.guest && options_.driver == "spec") {
      return report("scenario", {ErrorCode::bad_input,
                                 "--guest: the interface specification alone has no SMMU"});
    }
    if (!options_.backend.empty()) {
      if (auto probed = oracle::probe_backend(options_.backend, options_.hang_seconds); !probed) {
        return report("scenario", probed.error());
      }
      oracle::stories::AloneOptions& alone = alone_.emplace();
      alone.subjects = [this] { return oracle::stories::subjects_of_backend(options_.backend); };
      alone.hang_seconds = options_.hang_seconds;
    } else if (options_.driver == "spec") {
      if (!options_.profile.empty()) {
        return report("scenario", {ErrorCode::bad_input,
                                   "--profile: the interface specification alone has no SMMU"});
      }
      make_subject_ = [] { return oracle::stories::make_model(); };
    } else if (oracle::stories::is_builtin(options_.driver)) {
      make_subject_ = [this] {
        return oracle::stories::make_subject_named(options_.driver, stated_profile(),
                                                   options_.guest);
      };
      runs_two_ = options_.driver == "builtin" && !options_.guest;
    } else {
      if (auto probed = oracle::Plugin::probe(options_.driver); !probed) {
        return report("scenario", probed.error());
      }
      auto plugin = oracle::Plugin::load(options_.driver);
      if (!plugin) return report("scenario", plugin.error());
      plugin_.emplace(std::move(*plugin));
      auto segments = oracle::Segments::of(plugin_->entry());
      if (!segments) return report("scenario", segments.error());
      segments_.emplace(std::move(*segments));
      make_subject_ = [this] {
        return oracle::stories::make_driver_subject(plugin_->driver(), &*segments_,
                                                    stated_profile(), options_.guest);
      };
    }
    return options_.out.empty() ? exit_held : make_folder("scenario", options_.out);
  }

  void run_carried() {
    for (const EmbeddedFile& carried : embedded_files()) {
      if (!carried.name.ends_with(".scenario")) continue;
      run_file(scenario::parse_all(carried.text, carried.name), std::string(carried.name));
    }
  }

  void run_file(const scenario::Parsed& parsed, const std::string& path) {
    // What cannot be read hides nothing else.
    for (const Error& error : parsed.errors) {
      end_.error(error);
      oracle::JunitCase one;
      one.name = one.group = one.file = path;
      one.status = oracle::JunitStatus::error;
      one.message = error.message;
      cases_.push_back(one);
      reported_.push_back(std::move(one));
    }
    if (is(Format::text) && !parsed.file.scenarios.empty()) fmt::print("{}\n", path);
    for (const Scenario& scenario : parsed.file.scenarios) {
      // A scenario of the second backend runs there, unless a driver is named.
      oracle::stories::ScenarioOptions options{make_subject_, {}};
      if (runs_two_) options.make_second = oracle::stories::make_two;
      if (!options_.out.empty() && options_.driver != "spec") {
        options.trace =
            (std::filesystem::path(options_.out) / (plain_name(scenario.id) + ".trace.jsonl"))
                .string();
        options.trace_all = options_.all_traces;
      }
      if (!alone_) {
        note(scenario, oracle::stories::run_scenario(scenario, options), path);
        continue;
      }
      // It may bring its process down, or come to no end.
      if (hung_ == hangs_max) return;
      alone_->trace = options.trace;
      alone_->trace_all = options.trace_all;
      const auto result = oracle::stories::run_alone(scenario, *alone_);
      if (!result) {
        end_.error(result.error());
        return;
      }
      note(scenario, *result, path);
      const bool hung = result->failure && result->failure->rule == spec::rule::HANG_RETURNS;
      if (hung && ++hung_ == hangs_max) {
        end_.undecided(fmt::format("it hung in {} scenarios; the others are left out", hangs_max));
      }
    }
  }

  void note(const Scenario& scenario, const ScenarioResult& result, const std::string& path) {
    if (!options_.reports.empty()) reported_.push_back(case_of(scenario, result, path));
    if (result.status == Status::passed) ++passed_;
    if (result.status == Status::failed) ++failed_;
    if (result.status == Status::needs) ++needs_;
    if (result.status == Status::undecided) {
      ++undecided_;
      end_.undecided(fmt::format("{}:{}:{}: scenario {}: {}", path, scenario.place.line,
                                 scenario.place.column, scenario.id, result.bound));
    }
    switch (options_.format) {
      case Format::text:
        if (result.status != Status::passed || !options_.quiet) {
          fmt::print("{}", text_of(scenario, result, path));
        }
        break;
      case Format::json: write_json(writer_, scenario, result, path); break;
      case Format::junit:
      case Format::ktap: cases_.push_back(case_of(scenario, result, path));
    }
  }

  const ScenarioCommand& options_;
  static constexpr u32 hangs_max = 5;  // each takes the time of a hang
  bool runs_two_ = false;
  u32 hung_ = 0;
  std::optional<oracle::stories::AloneOptions> alone_;  // of a backend
  std::optional<oracle::Plugin> plugin_;
  std::optional<oracle::Segments> segments_;
  std::function<std::unique_ptr<oracle::stories::Subject>()> make_subject_;
  JsonWriter writer_;
  std::vector<oracle::JunitCase> cases_;
  std::vector<oracle::JunitCase> reported_;  // of --report
  u64 passed_ = 0, failed_ = 0, needs_ = 0, undecided_ = 0;
  oracle::RunEnd end_;
};

/// Every answer of the interface, by which scenario it is shown, or why by none.
int run_coverage(const ScenarioCommand& options) {
  if (options.files.empty()) {
    return report("scenario",
                  {ErrorCode::bad_input, "--coverage: of which scenarios? Name their files"});
  }
  spec::sva::AnswerLog log;
  for (const std::string& path : options.files) {
    const auto file = scenario::parse_file(path);
    if (!file) return report("scenario", file.error());
    for (const Scenario& scenario : file->scenarios) oracle::stories::log_scenario(scenario, log);
  }
  u64 shown = 0, explained = 0, unexplained = 0;
  for (const oracle::stories::CoverageLine& line : oracle::stories::coverage_of(log)) {
    ++(!line.shown.empty() ? shown : line.explained() ? explained : unexplained);
    if (options.quiet && line.explained()) continue;
    const std::string by = !line.shown.empty() ? line.shown
                           : line.explained()  ? "none: " + line.why
                                               : "none, and nobody says why";
    fmt::print("{}  {}  {}\n", line.call, line.answer, by);
  }
  fmt::print("{} shown, {} explained, {} neither\n", shown, explained, unexplained);
  return unexplained == 0 ? exit_held : oracle::exit_status(oracle::Verdict::violated);
}

}  // namespace

int run_scenario(const ScenarioCommand& options) {
  if (options.coverage) return run_coverage(options);
  return options.corpus.empty() ? ScenarioRun(options).run() : write_corpus(options);
}

}  // namespace iommucheck::cli
