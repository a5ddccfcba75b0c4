// SPDX-License-Identifier: MIT
// The supervisor, who blames a death of its worker (check_worker.h) on the sequence that was
// running and makes it small by killing further workers.
#include "check/check_plugin.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <filesystem>
#include <map>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "check/alone.h"
#include "check/campaign.h"
#include "check/check_worker.h"
#include "check/finding_files.h"
#include "check/parts.h"
#include "check/shrink.h"
#include "check/worker_report.h"
#include "host/load.h"
#include "host/untold_stores.h"
#include "monitor/chronicle.h"
#include "monitor/replay.h"
#include "process/isolate.h"
#include "report/event_text.h"
#include "report/finding_kind_text.h"
#include "report/finding_text.h"
#include "spec/rules/interface.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle {

namespace {

using spec::Rule;

namespace rule = spec::rule;

/// Two processes ended in the same way, by the same party.
bool same_end(const Outcome& one, const Outcome& other) {
  return one.ended == other.ended && one.party == other.party;
}

/// In which operation a driver died: the last one of the sequence.
std::string_view doing_of(const Sequence& sequence) {
  return sequence.operations.empty() ? "boot" : fuzz::to_string(sequence.operations.back().kind);
}

constexpr double shrink_seconds_max = 20;
constexpr double patience_seconds = 1;  // a case takes milliseconds, loading included
constexpr u64 others_max = 4096;        // cases before one that does not fail alone
constexpr double others_seconds_max = 30;

class Supervisor {
 public:
  Supervisor(const CheckOptions& options, MachinePlan plan, SharedReport report)
      : options_(options),
        plan_(std::move(plan)),
        source_(options_, plan_),
        report_(std::move(report)) {}

  Expected<Part> run(std::string name);

 private:
  bool died(const Outcome& outcome);
  Sequence ran_last(const SharedReport::Sequence& running, Campaign::Phase phase);
  void tell_death(const Outcome& outcome, Finding finding, const Sequence& sequence);
  [[nodiscard]] std::string not_the_driver(const Outcome& outcome) const;
  [[nodiscard]] bool ends_later(const Sequence& sequence, u64 number);
  void leave_without_verdict(const Sequence& sequence, u64 number);
  Violation violation_of_death(const Outcome& outcome, Finding finding, const Sequence& sequence);
  std::vector<Sequence> smallest_death(const CheckOptions& here, const Outcome& outcome,
                                       const Sequence& sequence);
  struct Recording {
    std::optional<Alone> last;
    std::string path;  ///< empty: there is none
    std::string why;   ///< there is none; empty if nobody asked for one
    bool kept = false;
    std::optional<TemporaryFolder> folder;
  };
  Recording record(const CheckOptions& here, std::span<const Sequence> cases, Rule rule);
  void name_trace(Violation& violation, const Recording& recording) const;
  void describe_death(Violation& violation, const Recording& recording) const;
  void take_found_before(const Recording& recording, const Violation& death);
  void add_found_before(const Violation& violation);
  [[nodiscard]] bool is_told(const Finding& finding) const;
  void tell(const Violation& violation);
  std::vector<Sequence> with_others(const Sequence& last, u64 number, u64 count);
  std::vector<Sequence> fewest_others(const Sequence& last, u64 number,
                                      const std::function<bool(std::span<const Sequence>)>& shows);
  void complete_state(Violation& violation);
  void see_again(Violation& violation);
  void show_progress();
  CheckOptions on_its_machine(u64 number);
  std::vector<u64> before_on_its_machine(u64 number);
  void take_findings();
  void make(u64 number, Sequence& sequence);
  void complete_findings(CheckResult& result);
  /// Below our own core it is the backend that breaks a driver's rule.
  [[nodiscard]] Finding its_finding(Rule rule, std::string statement) const {
    Finding finding = finding_of(rule, std::move(statement));
    finding.of_a_backend = !options_.backend.empty();
    if (finding.of_a_backend) finding.party = spec::Keeper::backend;
    return finding;
  }

  const CheckOptions& options_;
  MachinePlan plan_;
  CaseSource source_;
  SharedReport report_;
  std::optional<FirstSeen> seen_;
  Clock::time_point started_ = Clock::now();
  Clock::time_point shown_ = started_;
  u64 deaths_ = 0;
  u64 hangs_ = 0;
  std::size_t taken_ = 0;      // texts of the worker
  std::size_t unread_ = 0;     // of these, texts that are no text of ours
  std::vector<Rule> states_;   // rules whose finding turned out to be one of state
  std::vector<u64> replaced_;  // keys of these findings, which the worker takes for told
  std::array<u64, CheckOptions::known_max> excused_{};  // beside those that the worker counts
  std::vector<Violation> findings_;
  std::map<u64, u64> aside_;       // ends behind a finding, by kind: how often
  std::vector<Violation> before_;  // what the driver did until the death that is being told
  std::vector<GaveUp> gave_up_;
  std::optional<Error> error_;
  std::vector<std::string> environment_;
};

/// The cases once more, with their trace: in the folder that was asked for, or in one that goes
/// away with what is returned. Without a place for it they run without.
Supervisor::Recording Supervisor::record(const CheckOptions& here, std::span<const Sequence> cases,
                                         Rule rule) {
  Recording made;
  std::string folder = options_.out_directory;
  made.kept = !folder.empty();
  if (!made.kept) {
    if (auto own = TemporaryFolder::create()) {
      folder = own->path();
      made.folder.emplace(std::move(*own));
    } else {
      made.why = own.error().message;
    }
  }
  if (!folder.empty()) {
    auto path = reserve_trace(folder, fmt::format("finding-{}-{}", spec::rule_name(rule),
                                                  report_.counter(slot_findings) + 1));
    if (path) {
      made.path = std::move(*path);
    } else {
      made.why = path.error().message;
    }
  }
  if (auto last = run_alone(here, cases, made.path, options_.hang_seconds)) {
    made.last = std::move(*last);
  } else {
    made.why = last.error().message;
  }
  return made;
}

void Supervisor::name_trace(Violation& violation, const Recording& recording) const {
  if (!recording.why.empty()) violation.remarks.push_back("no trace: " + recording.why);
  if (!recording.kept || recording.path.empty() || !recording.last) return;
  violation.trace_path = recording.path;
  violation.again = again_command(options_.driver, options_.backend, recording.path);
}

/// As the worker has it, which knows the driver.
void Supervisor::make(u64 number, Sequence& sequence) {
  source_.set_abilities(get_tally(report_).abilities);
  source_.make(number, sequence);
}

/// For running a sequence alone: the machine is the one that it ran on, and what was known then.
CheckOptions Supervisor::on_its_machine(u64 number) {
  const Tally tally = get_tally(report_);
  CheckOptions options = options_;
  for (const Violation& told : findings_) options.told.push_back(key_of(told));
  std::ranges::copy(replaced_, std::back_inserter(options.told));
  options.machine =
      machine_text(plan_.met(source_.machine_of(plan_, number, tally.refused), tally.met_by()));
  return options;
}

/// Sequences that ran on the same machine before it, the last one first.
std::vector<u64> Supervisor::before_on_its_machine(u64 number) {
  const u64 refused = get_tally(report_).refused;
  const u32 machine = source_.machine_of(plan_, number, refused);
  std::vector<u64> numbers;
  for (u64 n = number; n-- > options_.first_sequence && numbers.size() < others_max;) {
    if (source_.machine_of(plan_, n, refused) == machine) numbers.push_back(n);
  }
  return numbers;
}

/// The case with the `count` random sequences that came before its own on its machine, or more than
/// once those that there are: the worker has run some of them twice.
std::vector<Sequence> Supervisor::with_others(const Sequence& last, u64 number, u64 count) {
  std::vector<Sequence> cases(static_cast<std::size_t>(count), last);
  const std::vector<u64> before = before_on_its_machine(number);
  for (u64 i = 0; !before.empty() && i < count; ++i) {
    make(before[static_cast<std::size_t>((count - 1 - i) % before.size())],
         cases[static_cast<std::size_t>(i)]);
  }
  cases.push_back(last);
  return cases;
}

/// The case behind as few others as `shows` needs; empty if it does not behind any number of them.
std::vector<Sequence> Supervisor::fewest_others(
    const Sequence& last, u64 number, const std::function<bool(std::span<const Sequence>)>& shows) {
  const auto began = Clock::now();
  const u64 most = std::min(2 * before_on_its_machine(number).size() + 2, others_max);
  const auto needed = [&](u64 count) { return shows(with_others(last, number, count)); };
  const auto out_of_time = [&] {
    return seconds_since(began) > others_seconds_max || (options_.stop && options_.stop());
  };
  u64 too_few = 0;
  u64 enough = 1;
  while (!needed(enough)) {
    if (enough == most || out_of_time()) return {};
    too_few = enough;
    enough = std::min(2 * enough, most);
  }
  while (enough - too_few > 1 && !out_of_time()) {
    const u64 middle = too_few + (enough - too_few) / 2;
    (needed(middle) ? enough : too_few) = middle;
  }
  return with_others(last, number, enough);
}

}  // namespace

/// Nothing else lies there: what a driver does so is to follow a descriptor as if it were a
/// pointer.
std::string remark_on_address(u64 address, u64 window_pa, u64 window_bytes, bool identity_window) {
  if (identity_window || address - window_pa >= window_bytes) return {};
  return fmt::format(
      "{:#x} is a physical address of table memory, which begins at {:#x}; the driver took it for "
      "a pointer, and "
      "assumes that both are one. --window identity, or IOMMUCHECK_DRIVER_IDENTITY_MAPPED in its "
      "flags, makes them so",
      address, window_pa);
}

namespace {

bool is_call(const trace::Event& event) {
  return std::holds_alternative<trace::Call>(event.payload);
}

void Supervisor::describe_death(Violation& violation, const Recording& recording) const {
  if (recording.path.empty()) return;
  const auto trace = trace::read_trace(recording.path);
  if (!trace) {
    violation.remarks.push_back("no trace: " + trace.error().message);
    return;
  }
  violation.story = story_of(*trace);
  violation.calls = violation.story.calls_before +
                    static_cast<u64>(std::ranges::count_if(violation.story.events, is_call));
  violation.remarks.push_back(
      fmt::format("the last of {} events before it: {}", trace->events.size(),
                  trace->events.empty() ? std::string("none") : describe(trace->events.back())));
}

/// A call that breaks a rule and then never returns took with it what was found.
void Supervisor::take_found_before(const Recording& recording, const Violation& death) {
  if (!options_.backend.empty() || recording.path.empty()) return;
  const auto trace = trace::read_trace(recording.path);
  if (!trace) return;
  for (Violation& one : replay_trace(*trace).findings) {
    // What shutdown was about to give back is no leak.
    if (one.rule == death.rule || one.rule == rule::LEAK_NOTHING) continue;
    one.sequence = death.sequence;
    one.machine = death.machine;
    one.calls = death.calls;
    one.remarks.push_back(fmt::format("the same sequence breaks {} then; the trace is that one's",
                                      spec::rule_name(death.rule)));
    before_.push_back(std::move(one));
  }
}

void Supervisor::add_found_before(const Violation& violation) {
  if (const auto entry = excuse_of(options_, violation)) {
    ++report_.counter(slot_excused + *entry);
    return;
  }
  ++broken(report_, violation.rule);
  if (!is_told(violation)) tell(violation);
}

/// Before this run, or by a worker of it.
bool Supervisor::is_told(const Finding& finding) const {
  const u64 key = key_of(finding);
  const std::vector<u64> told = told_by(report_);
  return std::ranges::find(options_.told, key) != options_.told.end() ||
         std::ranges::find(told, key) != told.end();
}

void Supervisor::tell(const Violation& violation) {
  report_.add_finding(encode(violation));
  ++report_.counter(slot_findings);
}

/// The sequence as short as it still ends so; where it does not alone, behind as few others as that
/// takes, if it does behind any.
std::vector<Sequence> Supervisor::smallest_death(const CheckOptions& here, const Outcome& outcome,
                                                 const Sequence& sequence) {
  // Each try costs a process, and each that hangs the time to see it.
  const bool hang = outcome.ended == Ended::timed_out;
  double patience = options_.hang_seconds;
  const auto dies = [&](std::span<const Sequence> cases) {
    const auto tried = run_alone(here, cases, {}, patience);
    return tried && same_end(tried->outcome, outcome);
  };
  const bool alone = dies({&sequence, 1});
  const auto began = Clock::now();
  patience = std::min(patience, patience_seconds);
  if (alone && options_.shrink) {
    const auto result = shrink(
        sequence.operations,
        [&](std::span<const fuzz::Operation> operations) {
          const Sequence one{.operations = {operations.begin(), operations.end()},
                             .ends = sequence.ends};
          return doing_of(one) == doing_of(sequence) && dies({&one, 1});
        },
        {.runs_max = 2000, .stop = [&] {
           return seconds_since(began) > shrink_seconds_max || (options_.stop && options_.stop());
         }});
    // On a busy machine a slow try may have passed for one that hangs.
    patience = options_.hang_seconds;
    const Sequence small{.operations = result.operations, .ends = sequence.ends};
    if (!hang || dies({&small, 1})) return {small};
  } else if (!alone && options_.isolation == Isolation::worker) {
    std::vector<Sequence> more = fewest_others(sequence, report_.sequence().number, dies);
    if (!more.empty()) return more;
  }
  return {sequence};
}

Violation Supervisor::violation_of_death(const Outcome& outcome, Finding finding,
                                         const Sequence& sequence) {
  const Rule rule = finding.rule;
  const u64 number = report_.sequence().number;
  const CheckOptions here = on_its_machine(number);
  Violation violation(std::move(finding));
  violation.sequence = number;
  if (options_.of_given) violation.remarks.push_back("first in " + source_.name_of(number));
  violation.machine = here.machine;
  const std::vector<Sequence> cases = smallest_death(here, outcome, sequence);
  violation.operations = cases.back().operations;
  const Recording recording = record(here, cases, rule);
  const bool again = recording.last && same_end(recording.last->outcome, outcome);
  const Outcome& seen = again ? recording.last->outcome : outcome;
  violation.statement = fmt::format("the driver {}", seen.describe());
  if (outcome.ended == Ended::timed_out) violation.statement += ": a call does not return";
  if (cases.size() > 1) {
    violation.remarks.push_back(fmt::format(
        "not alone: only behind {} other case{} in the same process; state that is neither in the "
        "arena nor static (malloc, thread-locals, libraries) leads there. The trace holds all of "
        "them, with `restored` between two",
        cases.size() - 1, cases.size() == 2 ? "" : "s"));
  }
  describe_death(violation, recording);
  before_.clear();
  if (again && cases.size() == 1) take_found_before(recording, violation);
  if (seen.address) {
    const Machine machine = parse_machine(here.machine).value_or(default_machine());
    std::string remark =
        remark_on_address(*seen.address, table_memory(machine), LockstepOptions{}.window_bytes,
                          options_.identity_window);
    if (!remark.empty()) violation.remarks.push_back(std::move(remark));
  }
  if (!seen.output.empty()) violation.remarks.push_back("it printed:\n" + seen.output);
  name_trace(violation, recording);
  if (!again) {
    violation.remarks.emplace_back(
        "it was not seen again from a fresh start: the driver keeps state outside of its arena and "
        "its static variables, or is not deterministic; the sequence may not be the shortest");
  }
  return violation;
}

/// A worker saw a driver that did not do the same twice. Here it begins anew: behind which cases
/// does this one go otherwise than alone?
void Supervisor::complete_state(Violation& violation) {
  violation.remarks.emplace_back(
      "the arena, table memory, registers and static variables were put back; what differed lies "
      "elsewhere (malloc, thread-locals, libraries), or comes from outside (time, addresses, "
      "random numbers). --isolate case gives each case a process of its own");
  const CheckOptions here = on_its_machine(violation.sequence);
  Sequence sequence;
  make(violation.sequence, sequence);
  // All that the worker ran, and again: the first that goes otherwise than alone, and as few of
  // those before it as that needs.
  const u64 before = before_on_its_machine(violation.sequence).size();
  std::vector<Sequence> cases =
      with_others(sequence, violation.sequence, std::min(2 * before + 2, others_max));
  const auto differs = first_that_differs(here, cases);
  if (!differs || !*differs) {
    violation.remarks.emplace_back(
        "it was not seen again from a fresh start: the cases before it in its process did more, or "
        "the driver is not deterministic");
    return;
  }
  cases.resize(**differs + 1);
  const auto alone = run_alone(here, {&cases.back(), 1}, {}, options_.hang_seconds);
  if (!alone) return;
  std::size_t left_out = 0;  // in front
  for (std::size_t step = std::bit_floor(cases.size()); step != 0; step /= 2) {
    if (left_out + step >= cases.size()) continue;
    const auto rest = std::span(cases).subspan(left_out + step);
    const auto still = run_alone(here, rest, {}, options_.hang_seconds);
    if (still && still->outcome.ended == Ended::returned && still->hash != alone->hash) {
      left_out += step;
    }
  }
  cases.erase(cases.begin(), cases.begin() + static_cast<std::ptrdiff_t>(left_out));
  violation.operations = cases.back().operations;
  const Recording recording = record(here, cases, violation.rule);
  const std::optional<Alone>& last = recording.last;
  const auto says = [](const Alone& run) {
    return run.broken
               ? fmt::format("{}: {}", spec::rule_name(run.broken->rule), headline(*run.broken))
               : std::string("no rule is broken");
  };
  const auto behind = [&] {
    if (!last) return std::string("not seen");
    const bool other = !last->broken && last->hash != alone->hash;
    return says(*last) + (other ? ", but its events are others" : "");
  };
  violation.remarks.push_back(fmt::format("alone: {}; behind {} other case{}: {}", says(*alone),
                                          cases.size() - 1, cases.size() == 2 ? "" : "s",
                                          behind()));
  name_trace(violation, recording);
  if (!violation.trace_path.empty()) {
    violation.remarks.push_back(
        fmt::format("the trace holds {} cases, with `restored` between two", cases.size()));
  }
}

/// A finding that a fresh process does not show is one of state, not of the rule that it broke.
void Supervisor::see_again(Violation& violation) {
  if (violation.rule == rule::STATE_RETURNS) return complete_state(violation);
  const bool death = violation.rule == rule::CRASH_NEVER || violation.rule == rule::HANG_RETURNS;
  if (death || violation.operations.empty() || violation.trace_path.empty()) return;
  auto reader = trace::TraceReader::open(violation.trace_path);
  if (!reader) return;
  const auto cases = cases_of(reader->header());
  if (!cases || cases->empty()) return;
  const auto alone =
      run_alone(on_its_machine(violation.sequence), *cases, {}, options_.hang_seconds);
  if (alone && !alone->outcome.output.empty()) {
    violation.remarks.push_back("the driver printed:\n" + alone->outcome.output);
  }
  if (!alone || alone->outcome.ended == Ended::stopped ||
      (alone->broken && break_one_rule(*alone->broken, violation))) {
    return;
  }
  states_.push_back(violation.rule);
  replaced_.push_back(key_of(violation));
  static_cast<Finding&>(violation) = its_finding(
      rule::STATE_RETURNS,
      fmt::format("{} breaks {} in the process that ran others before, and not in a new one: {}",
                  source_.name_of(violation.sequence), spec::rule_name(violation.rule),
                  headline(violation)));
  if (alone->broken) {
    violation.remarks.push_back(
        fmt::format("in the new one: {}: {} [{}]", spec::rule_name(alone->broken->rule),
                    headline(*alone->broken), text_of(alone->broken->kind)));
  } else {
    violation.remarks.push_back(fmt::format("in the new one: it {}", alone->outcome.describe()));
  }
  complete_state(violation);
}

constexpr u64 deaths_max = 1000, hangs_max = 5;
/// So often what came before such an end is looked for, which may be another thing each time.
constexpr u64 aside_max = 3;

/// A process that ended, and not by the driver: what was running then is nobody's finding.
std::string Supervisor::not_the_driver(const Outcome& outcome) const {
  const SharedReport::Sequence running = report_.sequence();
  std::string text = outcome.party == Party::outside
                         ? fmt::format("the worker process {}", outcome.describe())
                         : fmt::format(
                               "the checker's own code {}; its author wants to know it, "
                               "unless the driver writes where it may not",
                               outcome.describe());
  if (running.running) {
    text += fmt::format("; sequence {} of seed {} was running", running.number, options_.seed);
  }
  if (!outcome.output.empty()) text += "; it printed:\n" + outcome.output;
  return text;
}

/// What seemed to hang comes to its end with more time: a call that makes the judge look at very
/// many pages looks so from outside.
bool Supervisor::ends_later(const Sequence& sequence, u64 number) {
  constexpr double more_patience = 4;
  const auto again =
      run_alone(on_its_machine(number), {&sequence, 1}, {}, more_patience * options_.hang_seconds);
  return again && again->outcome.ended == Ended::returned &&
         again->outcome.seconds >= options_.hang_seconds / 2;
}

/// Nothing is said of the driver. Counted each time, and told once.
void Supervisor::leave_without_verdict(const Sequence& sequence, u64 number) {
  Tally tally = get_tally(report_);
  ++tally.sequences;
  if (++tally.without_verdict == 1) {
    report_.add_finding(encode(
        GaveUp{.bound = fmt::format("it went on for more than {} s and would have come to its end: "
                                    "more time is --hang",
                                    options_.hang_seconds),
               .operations = sequence.operations,
               .sequence = number,
               .trace_path = {}}));
  }
  put_tally(report_, tally);
}

/// What a worker was at when it ended, as far as it came.
Sequence Supervisor::ran_last(const SharedReport::Sequence& running, Campaign::Phase phase) {
  Sequence sequence;
  for (const u64 word : running.words) sequence.operations.push_back(fuzz::decode_word(word));
  if (!running.running) sequence.operations.clear();
  if (phase != Campaign::Phase::recording) {  // what comes after it was never reached
    sequence.operations.resize(
        std::min<std::size_t>(sequence.operations.size(), std::size_t{running.operation} + 1));
  }
  sequence.ends = ends_of_word(report_.counter(slot_ends));
  return sequence;
}

/// One that has broken a rule ends its case when its call returns. If it does not for long its
/// platform is gone, and what it makes of that is not its own.
void Supervisor::tell_death(const Outcome& outcome, Finding finding, const Sequence& sequence) {
  const bool aside = finding.rule == rule::CRASH_NEVER && report_.counter(slot_gone) != 0;
  if (!aside) ++broken(report_, finding.rule);
  const u64 key = key_of(finding);
  const bool known = aside ? ++aside_[key] > aside_max : is_told(finding);
  if (known) return;
  Violation death = violation_of_death(outcome, std::move(finding), sequence);
  if (aside && before_.empty()) {
    death.remarks.emplace_back(
        "its platform had not answered for some time: it had broken a rule, or had asked for "
        "more than a call may, and what that was the trace does not say");
  }
  if (!aside || before_.empty()) tell(death);
  for (Violation& one : std::exchange(before_, {})) {
    one.trace_path = death.trace_path;
    one.again = death.again;
    add_found_before(one);
  }
}

/// A worker is gone. True to go on with another.
bool Supervisor::died(const Outcome& outcome) {
  take_findings();
  if (outcome.ended == Ended::crashed && outcome.party != Party::driver) {
    environment_.push_back(not_the_driver(outcome));
    return false;
  }
  const bool hang = outcome.ended == Ended::timed_out;
  const SharedReport::Sequence running = report_.sequence();
  const auto phase = static_cast<Campaign::Phase>(report_.counter(slot_phase).load());
  Sequence sequence = ran_last(running, phase);
  if (running.running && phase != Campaign::Phase::running) {
    ++report_.counter(slot_deaths);  // the same sequence again, with less ambition
  } else if (running.running) {
    report_.counter(slot_next) = running.number + 1;
  }
  Finding finding = its_finding(hang ? rule::HANG_RETURNS : rule::CRASH_NEVER, {});
  finding.kind = kind_of_end(outcome, doing_of(sequence));
  const auto entry = excuse_of(options_, finding);
  // Of a kind that was told already it is known that it does not end.
  const bool in_doubt = !entry && hang && running.running && !is_told(finding);
  const bool later = in_doubt && ends_later(sequence, running.number);
  if (entry) {
    ++report_.counter(slot_excused + *entry);
    ++report_.counter(slot_cut_short);
  } else if (later) {
    // While a finding was made smaller: it is found once more, and its sequence counted then.
    if (phase == Campaign::Phase::running) leave_without_verdict(sequence, running.number);
  } else {
    tell_death(outcome, std::move(finding), sequence);
  }
  // A driver that never lives long would keep us here for ever.
  hangs_ += hang && !later ? 1 : 0;
  return ++deaths_ < deaths_max && hangs_ < hangs_max && report_.counter(slot_booted) != 0 &&
         report_.counter(slot_findings) < options_.findings_max &&
         !(options_.stop && options_.stop());
}

void Supervisor::show_progress() {
  take_findings();
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

/// What the workers have left since the last look.
void Supervisor::take_findings() {
  const std::vector<std::string> texts = report_.findings();
  for (; taken_ < texts.size(); ++taken_) {
    const std::string& text = texts[taken_];
    if (auto violation = decode_violation(text)) {
      name_places(*violation, options_.driver);
      if (options_.isolation == Isolation::worker) see_again(*violation);
      if (const auto entry = excuse_of(options_, *violation)) {  // it has become one of state
        ++excused_[*entry];
        continue;
      }
      if (untold_stores::words() != 0) continue;  // see check_hooked
      if (options_.found) options_.found(*violation);
      findings_.push_back(std::move(*violation));
    } else if (auto gave_up = decode_gave_up(text)) {
      gave_up_.push_back(std::move(*gave_up));
    } else if (text.starts_with("error ") && text.size() > 8) {
      error_ = Error{text[6] == '3' ? ErrorCode::environment : ErrorCode::bad_input,
                     fmt::format("{}: {}", subject_of(options_), text.substr(8))};
    } else {
      ++unread_;
    }
  }
}

/// A driver that goes wild may write over what the worker left: a rule that was broken stays so.
void Supervisor::complete_findings(CheckResult& result) {
  // A cause that was told counts for each of the rules about reach that it breaks.
  for (const RuleCount& count : result.rules) {
    const Rule told_as = rule_of_cause(count.rule);
    const auto same = [&](const Violation& v) { return rule_of_cause(v.rule) == told_as; };
    if (count.verdict != RuleVerdict::broken || std::ranges::any_of(findings_, same)) continue;
    if (untold_stores::words() != 0) continue;
    const auto told = [&](u64 key) { return rule_of_cause(rule_of(key)) == told_as; };
    if (std::ranges::any_of(options_.told, told)) continue;
    findings_.emplace_back(its_finding(
        count.rule, "it was broken, and what the worker process left about it cannot be read"));
    findings_.back().remarks.emplace_back("the driver may have written over it");
    if (options_.found) options_.found(findings_.back());
  }
  if (unread_ != 0 && findings_.empty()) {
    result.environment.push_back(fmt::format(
        "{} findings of a worker process cannot be read; the driver may have written over them",
        unread_));
  }
  if (error_ && error_->code == ErrorCode::environment) {
    result.environment.push_back(error_->message);
  } else if (error_) {
    result.ended_early = error_->message;
  }
  std::ranges::move(environment_, std::back_inserter(result.environment));
  result.findings = std::move(findings_);
  result.gave_up = std::move(gave_up_);
}

Expected<Part> Supervisor::run(std::string name) {
  report_.counter(slot_next) = options_.first_sequence;
  report_.counter(slot_findings) = options_.told.size();
  if (is_noted(options_)) {
    auto seen = FirstSeen::create();
    if (!seen) return std::unexpected(std::move(seen.error()));
    seen_ = std::move(*seen);
  }
  IsolationLimits limits;
  limits.hang_seconds = options_.hang_seconds;
  limits.stop = options_.stop;
  limits.watching = [this] { show_progress(); };
  const auto outcome = supervise(
      report_,
      [this](u32) { return run_worker(report_, options_, started_, seen_ ? &*seen_ : nullptr); },
      limits, [this](const Outcome& dead) { return died(dead); });
  if (!outcome) return std::unexpected(outcome.error());
  take_findings();
  Part part;
  CheckResult& result = part.result;
  Tally& tally = part.tally;
  tally = get_tally(report_);
  part.next = report_.counter(slot_next);
  if (seen_) part.novel = seen_->pairs(part.next - options_.first_sequence);
  u64 states_excused = 0;
  for (std::size_t i = 0; i < excused_.size(); ++i) {
    tally.excused[i] += excused_[i];
    states_excused += excused_[i];
  }
  for (const Rule rule : states_) --tally.rules.broken[spec::number_of(rule)];
  tally.rules.broken[spec::number_of(rule::STATE_RETURNS)] += states_.size() - states_excused;
  fill(result, tally, options_);
  result.driver_name = std::move(name);
  result.seconds = seconds_since(started_);
  if (hangs_ >= hangs_max) {
    result.ended_early = fmt::format("{} sequences did not return", hangs_);
  } else if (deaths_ >= deaths_max) {
    result.ended_early = fmt::format("the driver ended its process {} times", deaths_);
  }
  if (error_ && !outcome->output.empty()) error_->message += "\nit printed:\n" + outcome->output;
  result.stopped = outcome->ended == Ended::stopped ||
                   (outcome->ended == Ended::returned && outcome->result == worker_stopped);
  complete_findings(result);
  if (error_ && end_of(options_, result).verdict() != Verdict::violated) {
    return std::unexpected(std::move(*error_));
  }
  return part;
}

Expected<Part> check_part(const CheckOptions& options, const std::string& name) {
  auto plan = MachinePlan::parse(options.machine, options.seed);
  if (!plan) return std::unexpected(std::move(plan.error()));
  auto report = SharedReport::create();
  if (!report) return std::unexpected(std::move(report.error()));
  return Supervisor(options, std::move(*plan), std::move(*report)).run(name);
}

/// Hardware that is no SMMUv3 is not undone: each case is forked from a process that has booted.
Expected<CheckResult> check_backend(CheckOptions options) {
  auto offers = probe_backend(options.backend, options.hang_seconds);
  if (!offers) return std::unexpected(std::move(offers.error()));
  if (auto fits = known_is_of(options, offers->name); !fits)
    return std::unexpected(std::move(fits.error()));
  options.isolation = Isolation::each_case;
  return run_parts(options,
                   [&](const CheckOptions& part) { return check_part(part, offers->name); });
}

}  // namespace

Expected<CheckResult> check_plugin(const CheckOptions& options) {
  if (auto plan = MachinePlan::parse(options.machine, options.seed); !plan) {
    return std::unexpected(std::move(plan.error()));
  }
  if (!options.backend.empty()) return check_backend(options);
  auto name = Plugin::probe(options.driver, options.hang_seconds);
  if (!name) return std::unexpected(std::move(name.error()));
  if (auto fits = known_is_of(options, *name); !fits)
    return std::unexpected(std::move(fits.error()));
  return run_parts(options, [&](const CheckOptions& part) { return check_part(part, *name); });
}

}  // namespace iommucheck::oracle
