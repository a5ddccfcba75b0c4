// SPDX-License-Identifier: MIT
// Three parts: what worker and supervisor share (numbers in a SharedReport), the worker, and the
// supervisor, who blames a death on the sequence that was running and makes it small by killing
// further workers.
#include "oracle/check_plugin.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "oracle/campaign.h"
#include "oracle/evidence.h"
#include "oracle/plugin/isolate.h"
#include "oracle/plugin/load.h"
#include "oracle/shrink.h"
#include "oracle/violation_text.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle {

namespace {

using Clock = std::chrono::steady_clock;
using spec::Rule;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// ---- shared numbers -----------------------------------------------------------------------------

enum Slot : std::size_t {
  slot_next,      // sequence to begin with
  slot_phase,     // of the campaign, when the sequence running began
  slot_ends,      // of that sequence: bit 0 whole_space, bit 1 teardown
  slot_deaths,    // of one sequence, while its finding was made smaller or recorded
  slot_findings,  // so far
  slot_booted,    // the driver came up once
  slot_tally,     // six numbers
  slot_rules = 16,
};
static_assert(slot_rules + 3 * RuleTally::size <= SharedReport::counters_max);

void put_tally(SharedReport& report, const Tally& tally) {
  const u64 numbers[] = {tally.sequences, tally.calls, tally.calls_succeeded,
                         tally.calls_changing, tally.accesses, tally.outcomes};
  std::size_t slot = slot_tally;
  for (const u64 number : numbers) report.counter(slot++) = number;
  slot = slot_rules;
  for (const auto* counts : {&tally.rules.asked, &tally.rules.discriminating,
                             &tally.rules.broken}) {
    for (const u64 number : *counts) report.counter(slot++) = number;
  }
}

Tally get_tally(SharedReport& report) {
  Tally tally;
  std::size_t slot = slot_tally;
  for (u64* number : {&tally.sequences, &tally.calls, &tally.calls_succeeded,
                      &tally.calls_changing, &tally.accesses, &tally.outcomes}) {
    *number = report.counter(slot++);
  }
  slot = slot_rules;
  for (auto* counts : {&tally.rules.asked, &tally.rules.discriminating, &tally.rules.broken}) {
    for (u64& number : *counts) number = report.counter(slot++);
  }
  return tally;
}

std::atomic<u64>& broken(SharedReport& report, Rule rule) {
  return report.counter(slot_rules + 2 * RuleTally::size + static_cast<std::size_t>(rule));
}

// ---- the worker ---------------------------------------------------------------------------------

/// The plug-in in this process, with its static variables if it has any.
struct Loaded {
  Plugin plugin;
  std::unique_ptr<Segments> segments;
};

Expected<Loaded> load(const std::string& path) {
  auto plugin = Plugin::load(path);
  if (!plugin) return std::unexpected(std::move(plugin.error()));
  Loaded loaded{std::move(*plugin), nullptr};
  auto segments = Segments::of(loaded.plugin.entry());
  if (!segments) return std::unexpected(std::move(segments.error()));
  if (segments->bytes() != 0) loaded.segments = std::make_unique<Segments>(std::move(*segments));
  return loaded;
}

std::vector<u64> words_of_operations(const std::vector<fuzz::Operation>& operations) {
  std::vector<u64> words;
  for (const fuzz::Operation& operation : operations) words.push_back(fuzz::encode_word(operation));
  return words;
}

class Worker final : public Campaign::Owner {
 public:
  explicit Worker(SharedReport& report) : report_(report) {}

  bool stop() override { return report_.stop_requested(); }
  void begins(u64 number, const Sequence& sequence, Campaign::Phase phase) override {
    if (phase == Campaign::Phase::running) {
      // Also the end of the sequence before: what killed workers is behind us.
      if (number != report_.counter(slot_next)) report_.counter(slot_deaths) = 0;
      report_.counter(slot_next) = number;
    }
    report_.counter(slot_phase) = static_cast<u64>(phase);
    report_.counter(slot_ends) =
        (sequence.ends.whole_space ? 1U : 0U) | (sequence.ends.teardown ? 2U : 0U);
    report_.begin_sequence(number, words_of_operations(sequence.operations));
  }
  void progress(const Tally& tally, u64 next) override {
    put_tally(report_, tally);
    report_.counter(slot_next) = next;
    report_.tick();
  }
  void found(Violation violation) override {
    ++report_.counter(slot_findings);
    report_.add_finding(to_text(violation));
  }
  void gave_up(GaveUp gave_up) override { report_.add_finding(to_text(gave_up)); }

 private:
  SharedReport& report_;
};

constexpr int worker_done = 0;
constexpr int worker_stopped = 1;
constexpr int worker_failed = 2;

int work(SharedReport& report, const CheckOptions& options, Clock::time_point started) {
  const auto failed = [&](const Error& error) {
    report.add_finding(fmt::format("error {} {}", static_cast<int>(error.code), error.message));
    return worker_failed;
  };
  auto loaded = load(options.driver);
  if (!loaded) return failed(loaded.error());
  Campaign::Settings settings;
  settings.options = &options;
  settings.started = started;
  settings.from = report.counter(slot_next);
  settings.findings_before = report.counter(slot_findings);
  settings.tally = get_tally(report);
  settings.may_shrink = report.counter(slot_deaths) < 1;
  settings.may_record = report.counter(slot_deaths) < 2;
  settings.count_each = true;  // a death must not take numbers with it
  settings.on_operation = [](void* context, u32 index) {
    static_cast<SharedReport*>(context)->begin_operation(index);
  };
  settings.context = &report;
  Worker owner(report);
  Campaign campaign(loaded->plugin.driver(), loaded->segments.get(), std::move(settings), owner);
  if (auto booted = campaign.boot(); !booted) return failed(booted.error());
  report.counter(slot_booted) = 1;
  const auto stopped = campaign.run();
  if (!stopped) return failed(stopped.error());
  report.end_sequence();
  return *stopped ? worker_stopped : worker_done;
}

// ---- the supervisor -----------------------------------------------------------------------------

constexpr double shrink_seconds_max = 20;
constexpr double patience_seconds = 1;  // a case takes milliseconds, loading included

/// Runs one sequence from the boot on in a process of its own, with the trace kept in `trace_path`.
Expected<Outcome> run_alone(const CheckOptions& options, const Sequence& sequence,
                            const std::string& trace_path, double hang_seconds) {
  auto report = SharedReport::create();
  if (!report) return std::unexpected(std::move(report.error()));
  const auto once = [&] {
    auto loaded = load(options.driver);
    if (!loaded) return worker_failed;
    LockstepOptions lockstep;
    lockstep.seed = options.seed;
    lockstep.segments = loaded->segments.get();
    int stream = -1;
    if (!trace_path.empty()) {
      stream = ::open(trace_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    }
    record_case(loaded->plugin.driver(), lockstep, sequence, stream);
    return worker_done;
  };
  return run_isolated(*report, once, {.hang_seconds = hang_seconds, .stop = options.stop});
}

class Supervisor {
 public:
  Supervisor(const CheckOptions& options, SharedReport report)
      : options_(options), report_(std::move(report)) {}

  Expected<CheckResult> run(std::string name);

 private:
  bool died(const Outcome& outcome);
  Violation violation_of_death(const Outcome& outcome, Rule rule, Sequence sequence);
  void show_progress();
  Expected<void> take_findings(CheckResult& result);

  const CheckOptions& options_;
  SharedReport report_;
  Clock::time_point started_ = Clock::now();
  Clock::time_point shown_ = started_;
  u64 deaths_ = 0;
  u64 hangs_ = 0;
};

Violation Supervisor::violation_of_death(const Outcome& outcome, Rule rule, Sequence sequence) {
  Violation violation{.rule = rule, .headline = {}, .evidence = {}, .operations = {}, .calls = 0,
                      .sequence = report_.sequence().number, .trace_path = {}};
  // Each try costs a process, and each that hangs the time to see it.
  const bool hang = outcome.ended == Ended::timed_out;
  double patience = options_.hang_seconds;
  const auto dies = [&](const Sequence& candidate) {
    const auto tried = run_alone(options_, candidate, {}, patience);
    return tried && tried->ended == outcome.ended;
  };
  const bool again = dies(sequence);
  const auto began = Clock::now();
  patience = std::min(patience, patience_seconds);
  if (again && options_.shrink) {
    const auto result = shrink(
        sequence.operations,
        [&](std::span<const fuzz::Operation> operations) {
          return dies({.operations = {operations.begin(), operations.end()},
                       .ends = sequence.ends});
        },
        {.runs_max = 2000, .stop = [&] {
           return seconds_since(began) > shrink_seconds_max || (options_.stop && options_.stop());
         }});
    // On a busy machine a slow try may have passed for one that hangs.
    patience = options_.hang_seconds;
    const Sequence small{.operations = result.operations, .ends = sequence.ends};
    if (!hang || dies(small)) sequence.operations = small.operations;
  }
  violation.operations = sequence.operations;
  std::string path;
  std::error_code ignored;
  const bool keep = !options_.out_directory.empty();
  const std::string folder =
      keep ? options_.out_directory : std::filesystem::temp_directory_path(ignored).string();
  std::filesystem::create_directories(folder, ignored);
  path = fmt::format("{}/finding-{}-{}{}.trace.jsonl", folder, spec::rule_name(rule),
                     report_.counter(slot_findings) + 1,
                     keep ? "" : fmt::format("-{}", ::getpid()));
  const auto last = run_alone(options_, sequence, path, options_.hang_seconds);
  violation.headline = fmt::format("the driver {}", (last ? *last : outcome).describe());
  if (hang) violation.headline += ": a call does not return";
  if (const auto trace = trace::read_trace(path)) {
    violation.evidence.emplace_back("the calls up to it:");
    std::vector<std::string> calls = call_lines(*trace);
    if (calls.empty()) calls.emplace_back("     none: it is the driver's boot");
    violation.calls = static_cast<u64>(std::ranges::count_if(
        trace->events, [](const trace::Event& event) {
          return std::holds_alternative<trace::Call>(event.payload);
        }));
    std::ranges::move(calls, std::back_inserter(violation.evidence));
    violation.evidence.push_back(fmt::format("the last of {} events before it: {}",
                                             trace->events.size(),
                                             trace->events.empty()
                                                 ? std::string("none")
                                                 : describe(trace->events.back())));
  }
  if (keep) {
    violation.trace_path = path;
  } else {
    std::filesystem::remove(path, ignored);
  }
  const std::string& output = last ? last->output : outcome.output;
  if (!output.empty()) violation.evidence.push_back("it printed:\n" + output);
  if (!again) {
    violation.evidence.emplace_back(
        "it was not seen again from a fresh start: the driver keeps state outside of its arena and "
        "its static variables, or is not deterministic; the sequence may not be the shortest");
  }
  return violation;
}

/// A worker is gone. True to go on with another.
bool Supervisor::died(const Outcome& outcome) {
  const bool hang = outcome.ended == Ended::timed_out;
  const Rule rule = hang ? Rule::HANG_RETURNS : Rule::CRASH_NEVER;
  const SharedReport::Sequence running = report_.sequence();
  const auto phase = static_cast<Campaign::Phase>(report_.counter(slot_phase).load());
  Sequence sequence;
  for (const u64 word : running.words) sequence.operations.push_back(fuzz::decode_word(word));
  if (!running.running) sequence.operations.clear();
  if (phase != Campaign::Phase::recording) {  // what comes after it was never reached
    sequence.operations.resize(
        std::min<std::size_t>(sequence.operations.size(), std::size_t{running.operation} + 1));
  }
  const u64 ends = report_.counter(slot_ends);
  sequence.ends = {.whole_space = (ends & 1) != 0, .teardown = (ends & 2) != 0};
  if (running.running && phase != Campaign::Phase::running) {
    ++report_.counter(slot_deaths);  // the same sequence again, with less ambition
  } else if (running.running) {
    report_.counter(slot_next) = running.number + 1;
  }
  const bool is_new = broken(report_, rule) == 0;
  ++broken(report_, rule);
  if (is_new) {
    report_.add_finding(to_text(violation_of_death(outcome, rule, std::move(sequence))));
    ++report_.counter(slot_findings);
  }
  // A driver that never lives long would keep us here for ever.
  constexpr u64 deaths_max = 1000, hangs_max = 5;
  hangs_ += hang ? 1 : 0;
  return ++deaths_ < deaths_max && hangs_ < hangs_max && report_.counter(slot_booted) != 0 &&
         report_.counter(slot_findings) < options_.findings_max &&
         !(options_.stop && options_.stop());
}

void Supervisor::show_progress() {
  if (!options_.progress || seconds_since(shown_) < 0.1) return;
  shown_ = Clock::now();
  const Tally tally = get_tally(report_);
  CheckProgress now;
  now.sequences = tally.sequences;
  now.calls = tally.calls;
  now.outcomes = tally.outcomes;
  now.findings = report_.counter(slot_findings);
  now.seconds = seconds_since(started_);
  now.fraction_done = fraction_done(options_, now.sequences, now.seconds);
  options_.progress(now);
}

Expected<void> Supervisor::take_findings(CheckResult& result) {
  for (const std::string& text : report_.findings()) {
    if (auto violation = violation_of(text)) {
      result.findings.push_back(std::move(*violation));
    } else if (auto gave_up = gave_up_of(text)) {
      result.gave_up.push_back(std::move(*gave_up));
    } else if (text.starts_with("error ") && text.size() > 8) {
      return fail(text[6] == '3' ? ErrorCode::environment : ErrorCode::bad_input,
                  fmt::format("{}: {}", options_.driver, text.substr(8)));
    }
  }
  return {};
}

Expected<CheckResult> Supervisor::run(std::string name) {
  report_.counter(slot_next) = options_.first_sequence;
  IsolationLimits limits;
  limits.hang_seconds = options_.hang_seconds;
  limits.stop = options_.stop;
  limits.watching = [this] { show_progress(); };
  const auto outcome =
      supervise(report_, [this](u32) { return work(report_, options_, started_); }, limits,
                [this](const Outcome& dead) { return died(dead); });
  if (!outcome) return std::unexpected(outcome.error());
  CheckResult result;
  if (auto taken = take_findings(result); !taken) return std::unexpected(taken.error());
  const Tally tally = get_tally(report_);
  fill(result, tally, options_);
  result.driver_name = std::move(name);
  result.seconds = seconds_since(started_);
  result.stopped = outcome->ended == Ended::stopped ||
                   (outcome->ended == Ended::returned && outcome->result == worker_stopped);
  return result;
}

}  // namespace

Expected<CheckResult> check_plugin(const CheckOptions& options) {
  auto name = Plugin::probe(options.driver, options.hang_seconds);
  if (!name) return std::unexpected(std::move(name.error()));
  auto report = SharedReport::create();
  if (!report) return std::unexpected(std::move(report.error()));
  return Supervisor(options, std::move(*report)).run(std::move(*name));
}

}  // namespace iommucheck::oracle
