// SPDX-License-Identifier: MIT
#include "check/campaign.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/clock.h"
#include "base/message.h"
#include "check/claims.h"
#include "check/driver_coverage.h"
#include "check/finding_files.h"
#include "check/record_case.h"
#include "check/shrink.h"
#include "monitor/recorder.h"
#include "monitor/replay.h"
#include "monitor/trace_setup.h"
#include "process/child.h"
#include "report/event_text.h"
#include "report/finding_text.h"
#include "spec/rules/interface.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle {

namespace {

using spec::Rule;

namespace rule = spec::rule;

constexpr u64 twice_in = 64;  // one case of so many is run twice

/// The lockstep's numbers since it was made.
Tally numbers_of(Lockstep& lockstep) {
  const Statistics& statistics = lockstep.monitor().statistics();
  Tally tally;
  tally.calls = statistics.calls;
  tally.calls_succeeded = lockstep.calls_succeeded();
  tally.calls_changing = statistics.calls_changing;
  tally.accesses = lockstep.accesses();
  tally.outcomes = statistics.outcomes_judged;
  tally.rules.add(lockstep.monitor());
  tally.answered = lockstep.answered();
  return tally;
}

void add_difference(Tally& tally, const Tally& now, const Tally& before) {
  tally.calls += now.calls - before.calls;
  tally.calls_succeeded += now.calls_succeeded - before.calls_succeeded;
  tally.calls_changing += now.calls_changing - before.calls_changing;
  tally.accesses += now.accesses - before.accesses;
  tally.outcomes += now.outcomes - before.outcomes;
  for (std::size_t i = 0; i < RuleTally::size; ++i) {
    tally.rules.asked[i] += now.rules.asked[i] - before.rules.asked[i];
    tally.rules.discriminating[i] += now.rules.discriminating[i] - before.rules.discriminating[i];
    tally.rules.order_unknown[i] += now.rules.order_unknown[i] - before.rules.order_unknown[i];
  }
  tally.answered.add(now.answered);
  tally.answered.take(before.answered);
}

/// Whether `replay` of the trace finds the rule broken, with nothing told but the events.
bool trace_shows(const trace::Trace& trace, spec::Rule rule, const NamedBackend* backend) {
  ReplayOptions options;
  if (backend != nullptr) options.hardware = hardware_of(*backend);
  const ReplayResult again = replay_trace(trace, options);
  return std::ranges::any_of(
      again.rules, [&](const RuleCount& count) { return count.rule == rule && count.broken != 0; });
}

u64& broken(Tally& tally, spec::Rule rule) { return tally.rules.broken[spec::number_of(rule)]; }

/// If the options ask for it: its path, or nothing. environment.
Expected<std::string> write_finding(const CheckOptions& options, const std::string& name,
                                    const trace::Trace& trace) {
  if (options.out_directory.empty()) return std::string();
  auto path = reserve_trace(options.out_directory, name);
  if (!path) return path;
  if (auto written = trace::write_trace(trace, *path); !written) {
    std::error_code ignored;
    std::filesystem::remove(*path, ignored);  // the empty file that held the name
    return std::unexpected(std::move(written.error()));
  }
  return path;
}

}  // namespace

Campaign::Campaign(const iommucheck_driver& driver, Segments* segments, Settings settings,
                   Owner& owner)
    : driver_(driver),
      loaded_(segments),
      settings_(std::move(settings)),
      options_(*settings_.options),
      owner_(owner),
      refused_(settings_.tally.refused),
      tally_(settings_.tally),
      findings_(settings_.findings_before + options_.told.size()),
      current_(settings_.from) {}

RunClaims Campaign::claims() const {
  RunClaims claims = options_.claims;
  claims.besides.add(shown_);
  return claims;
}

/// Where it meets the first group that nobody has named.
void Campaign::ask_about_groups() {
  const bool asks = options_.claims.heed_driver && plan_.groups_are_drawn() && shown_.empty();
  if (!asks || !fresh_options(nullptr).machine.has_groups()) return;
  std::unique_ptr<Segments> own;
  if (loaded_ != nullptr) {
    loaded_->restore();
    own = std::make_unique<Segments>(*loaded_);
  }
  Lockstep asked(driver_, fresh_options(own.get()));
  if (asked.boot().empty() && asked.takes_devices_alone()) shown_.add(Claim::groups);
}

LockstepOptions Campaign::fresh_options(Segments* segments) {
  LockstepOptions options = lockstep_options(options_);
  options.machine = plan_.met(machine_, {.not_claimed = claims().of(driver_),
                                         .takes_over = takes_over(),
                                         .drives_each = drives_each()});
  options.segments = segments;
  options.backend = settings_.backend;
  options.store_count = options_.store_count.get();
  options.claims = claims();
  options.guard_window = settings_.guard_window;
  options.known = known();
  options.on_step = settings_.on_step;
  options.on_gone = settings_.on_gone;
  options.step_context = settings_.context;
  return options;
}

/// Statics begin as they were loaded; what they are then is gone with the lockstep's next undo.
CaseRecord Campaign::record_again(const Sequence& sequence) {
  // Boots are reported without a sequence.
  const bool beyond_boot = !sequence.operations.empty();
  if (loaded_ == nullptr) {
    return record_case(driver_, fresh_options(nullptr), sequence, -1, beyond_boot);
  }
  loaded_->restore();
  Segments own = *loaded_;
  return record_case(driver_, fresh_options(&own), sequence, -1, beyond_boot);
}

/// What it broke on its way is a finding; if nothing, there is a trace, and what came last.
Expected<void> Campaign::boot_failed(const std::string& failed) {
  std::string where;
  if (grounds_.size() > 1) {
    where = " on machine " + machine_text(fresh_options(nullptr).machine);
    if (lockstep_->refused()) {
      where += fmt::format(", nor on one of {} others", grounds_.size() - 1);
    }
  }
  std::string text =
      fmt::format("the driver {} does not come up{}: {}", driver_.name, where, failed);
  Monitor& monitor = lockstep_->monitor();
  if (monitor.smmu().stopped_by_error()) {
    text += "; the command queue has stopped with a command error (GERROR.CMDQ_ERR)";
  }
  if (!monitor.findings().empty()) {
    if (auto done = report(current_, {}, first_finding()); !done) return done;
    return fail(ErrorCode::bad_input, text + "; what it has broken is reported");
  }
  const CaseRecord record = record_again({});
  const std::span<const trace::Event> events = record.trace.events;
  constexpr std::size_t shown = 5;
  text += "\nthe last events:";
  for (const trace::Event& event : events.last(std::min(shown, events.size()))) {
    text += "\n  " + describe(event);
  }
  const auto path = write_finding(options_, "does-not-come-up", record.trace);
  if (!path) {
    text += "\nno trace: " + path.error().message;
  } else if (!path->empty()) {
    text += "\ntrace: " + *path;
  }
  return fail(ErrorCode::bad_input, text);
}

Expected<void> Campaign::boot() {
  auto plan = MachinePlan::parse(options_.machine, options_.seed);
  if (!plan) return std::unexpected(std::move(plan.error()));
  plan_ = std::move(*plan);
  source_ = CaseSource(options_, plan_);
  told_ = options_.told;
  std::ranges::copy(settings_.told, std::back_inserter(told_));
  grounds_.resize(plan_.count_of_all());
  return go_to(current_);
}

/// To the machine of the sequence; where it is its first one, the driver boots there. A machine
/// that the driver says it is not for is left out from here on, unless there is no other.
Expected<void> Campaign::go_to(u64 sequence) {
  for (;;) {
    const u32 next = source_.machine_of(plan_, sequence, refused_);
    if (lockstep_ != nullptr && next == machine_) return {};
    if (lockstep_ != nullptr && !settings_.fork_cases) absorb();
    machine_ = next;
    lockstep_ = grounds_[machine_].lockstep.get();
    if (lockstep_ != nullptr) return {};
    if (auto booted = boot_on_it(); !booted) return booted;
    if (lockstep_ != nullptr) return {};
  }
}

Expected<void> Campaign::boot_on_it() {
  ask_about_groups();
  Ground& ground = grounds_[machine_];
  if (loaded_ != nullptr) {
    loaded_->restore();
    ground.booted = std::make_unique<Segments>(*loaded_);
  }
  auto lockstep = std::make_unique<Lockstep>(driver_, fresh_options(ground.booted.get()));
  owner_.begins(current_, {}, Phase::running);  // on whose machine a driver ends that ends in it
  const std::string failed = lockstep->boot();
  if (options_.coverage) options_.coverage->note(driver_.hooks);
  if (!failed.empty()) {
    const u64 others = mask(static_cast<unsigned>(grounds_.size()) - 1, 0) & ~refused_;
    if (lockstep->refused() && others != (u64{1} << machine_)) {
      refused_ |= u64{1} << machine_;
      tally_.refused = refused_;
      return {};
    }
    ground.lockstep = std::move(lockstep);
    lockstep_ = ground.lockstep.get();
    return boot_failed(failed);
  }
  ground.lockstep = std::move(lockstep);
  lockstep_ = ground.lockstep.get();
  tally_.abilities = lockstep_->abilities();
  source_.set_abilities(tally_.abilities);
  tally_.not_claimed = lockstep_->not_claimed().bits();
  tally_.shown = shown_.bits();
  tally_.traits = u64{takes_over()} << Tally::takes_over |
                  u64{drives_each()} << Tally::drives_each |
                  u64{lockstep_->uses_secure_registers()} << Tally::uses_secure_registers |
                  lockstep_->read_only_written() << Tally::read_only_written;
  lockstep_->on_operation(settings_.on_operation, settings_.context);
  lockstep_->set_seen(settings_.seen);
  const u64 outcomes = tally_.outcomes;
  count_passed_over(lockstep_->passed_over());
  absorb();  // the rules; but what is counted are the sequences' outcomes
  tally_.outcomes = outcomes;
  const Sequence nothing;
  if (!lockstep_->monitor().findings().empty()) {
    const u64 before = findings_;
    if (auto done = report(current_, nothing, first_finding()); !done) return done;
    // What it breaks besides shows in a boot that passes over what was told.
    if (findings_ != before && findings_ < options_.findings_max) {
      lockstep_ = nullptr;
      ground.lockstep.reset();
      return boot_on_it();
    }
  }
  if (const CaseEnd end = end_of_case(); end.findings.empty() && !end.has_verdict()) {
    return report_bound(current_, nothing, end);
  }
  return {};
}

bool Campaign::out_of_time(u64 number) const {
  if (options_.sequences != 0 && number - options_.first_sequence >= options_.sequences) {
    return true;
  }
  return options_.seconds > 0 && seconds_since(settings_.started) >= options_.seconds;
}

/// The finding that ended the case.
const Finding& Campaign::first_finding() const { return lockstep_->monitor().findings().front(); }

/// What did not end a case is counted, once for each.
void Campaign::count_passed_over(std::span<const PassedOver::One> known) {
  for (const PassedOver::One& one : known) {
    if (one.entry == told_already) {
      ++broken(tally_, one.rule);
    } else {
      ++tally_.excused[one.entry];
    }
  }
}

/// Of what is known now: what is told while the run goes on, too.
KnownTo Campaign::known() {
  return [this](const Finding& finding) -> std::optional<u32> {
    if (const auto entry = excuse_of(options_, finding)) return static_cast<u32>(*entry);
    return was_told(finding) ? std::optional(told_already) : std::nullopt;
  };
}

bool Campaign::was_told(const Finding& finding) const {
  return std::ranges::find(told_, key_of(finding)) != told_.end();
}

/// Counts it: as excused, or as broken. True if it is one to be told.
bool Campaign::is_to_tell(const Finding& finding) {
  if (const auto entry = excuse_of(options_, finding)) {
    ++tally_.excused[*entry];
    ++tally_.cut_short;
    return false;
  }
  ++broken(tally_, finding.rule);
  return !was_told(finding);
}

void Campaign::absorb() {
  const Tally now = numbers_of(*lockstep_);
  add_difference(tally_, now, grounds_[machine_].counted);
  grounds_[machine_].counted = now;
}

/// What the case just run could have broken is a feature of it.
void Campaign::note_rules() {
  if (settings_.seen == nullptr) return;
  lockstep_->note_rules();
  RuleTally now;
  now.add(lockstep_->monitor());
  RuleTally& before = grounds_[machine_].noted;
  for (std::size_t i = 0; i < RuleTally::size; ++i) {
    if (now.discriminating[i] != before.discriminating[i]) {
      settings_.seen->rule(static_cast<Rule>(i));
    }
  }
  before = now;
  if (!lockstep_->monitor().findings().empty()) settings_.seen->finding(key_of(first_finding()));
}

void Campaign::forget_counts() { grounds_[machine_].counted = numbers_of(*lockstep_); }

Expected<bool> Campaign::run() {
  Sequence sequence;
  auto shown = Clock::now();
  bool stopped = false;
  bool first_of_run = true;
  while (findings_ < options_.findings_max && !out_of_time(current_)) {
    stopped = owner_.stop();
    if (stopped) break;
    if (auto there = go_to(current_); !there) return std::unexpected(std::move(there.error()));
    if (findings_ >= options_.findings_max) break;  // of a boot
    source_.make(current_, sequence);
    owner_.begins(current_, sequence, Phase::running);
    // Now and then a case is run twice: a driver that is put back does the same again.
    const bool twice = !settings_.fork_cases && (current_ % twice_in == 0 || first_of_run);
    first_of_run = false;
    HashRecorder hash;
    if (twice) lockstep_->monitor().set_sink(&hash);
    if (twice) lockstep_->undo();  // from the boot on: all its events
    if (settings_.seen != nullptr) settings_.seen->enter(current_ - settings_.seen_from);
    const auto end = run_case(sequence, true);
    if (settings_.seen != nullptr) settings_.seen->leave();
    if (twice) lockstep_->monitor().set_sink(nullptr);
    if (!end) return std::unexpected(end.error());
    ++tally_.sequences;
    count_passed_over(end->passed_over);
    Expected<void> done;
    if (!end->findings.empty()) {
      done = report(current_, sequence, end->findings.front());
    } else if (!end->has_verdict()) {
      done = report_bound(current_, sequence, *end);
    } else if (twice) {
      done = run_again(sequence, hash.value());
    }
    if (!done) return std::unexpected(done.error());
    settings_.may_shrink = settings_.may_record = true;
    ++current_;
    if (settings_.count_each || Clock::now() - shown > std::chrono::milliseconds(100)) {
      absorb();
      owner_.progress(tally_, current_);
      shown = Clock::now();
    }
  }
  absorb();
  owner_.progress(tally_, current_);
  return stopped;
}

// ---- a case, here or in a process of its own ----------------------------------------------------

Expected<Campaign::CaseEnd> Campaign::run_case(const Sequence& sequence, bool counted) {
  if (settings_.fork_cases) {
    const auto text = in_child([&] { return run_in_child(sequence); });
    if (!text) return std::unexpected(text.error());
    return case_end_of(*text, counted);
  }
  lockstep_->run(sequence.operations, sequence.ends, sequence.shared);
  note_rules();
  if (options_.coverage) options_.coverage->note(driver_.hooks);
  return end_of_case();
}

Campaign::CaseEnd Campaign::end_of_case() const {
  const Monitor& monitor = lockstep_->monitor();
  CaseEnd end{.findings = {},
              .bound = {},
              .unsupported = monitor.unsupported(),
              .passed_over = lockstep_->passed_over()};
  if (!monitor.findings().empty()) end.findings.push_back(first_finding());
  if (monitor.gave_up()) end.bound = monitor.bound();
  return end;
}

std::string Campaign::run_in_child(const Sequence& sequence) {
  lockstep_->run(sequence.operations, sequence.ends);
  note_rules();
  if (options_.coverage) options_.coverage->note(driver_.hooks);
  const CaseEnd end = end_of_case();
  MessageWriter out;
  out.plain(numbers_of(*lockstep_));
  out.text(end.bound);
  out.text(end.unsupported);
  out.number(end.passed_over.size());
  for (const PassedOver::One& one : end.passed_over) {
    out.number(one.entry);
    out.number(spec::number_of(one.rule));
  }
  out.number(end.findings.size());
  for (const Finding& finding : end.findings) out.text(encode(Violation(finding)));
  return out.take();
}

Expected<Campaign::CaseEnd> Campaign::case_end_of(std::string_view text, bool counted) {
  const auto damaged = [] {
    return fail(ErrorCode::environment, "what a case's process left cannot be read");
  };
  MessageReader in(text);
  Tally now;
  in.plain(now);
  CaseEnd end;
  end.bound = in.text();
  end.unsupported = in.text();
  for (u64 left = in.count(); left != 0 && in.ok(); --left) {
    const u64 entry = in.number();
    const std::optional<Rule> rule = spec::rule_of(in.number());
    const bool is_entry = entry == told_already || entry < tally_.excused.size();
    if (!is_entry || !rule) return damaged();
    end.passed_over.push_back({static_cast<u32>(entry), *rule});
  }
  for (u64 left = in.count(); left != 0 && in.ok(); --left) {
    auto finding = decode_violation(in.text());
    if (!finding) return damaged();
    end.findings.push_back(std::move(*finding));
  }
  if (!in.whole()) return damaged();
  if (counted) add_difference(tally_, now, grounds_[machine_].counted);
  return end;
}

/// The same case once more, after one that held and left `hash`.
Expected<void> Campaign::run_again(const Sequence& sequence, u64 hash) {
  if (const std::string wrong = lockstep_->monitor().caches().consistent(); !wrong.empty()) {
    return fail(ErrorCode::environment, "the specification's own state is inconsistent after " +
                                            source_.name_of(current_) +
                                            ", which is a mistake of iommucheck: " + wrong);
  }
  absorb();
  HashRecorder again;
  lockstep_->undo();
  lockstep_->monitor().set_sink(&again);
  const auto end = run_case(sequence, false);
  lockstep_->monitor().set_sink(nullptr);
  if (!end) return std::unexpected(end.error());
  forget_counts();
  const auto i = spec::number_of(rule::STATE_RETURNS);
  ++tally_.rules.asked[i];
  ++tally_.rules.discriminating[i];
  if (again.value() == hash) return {};
  return report_state(
      fmt::format("{} was run twice from the same state, and the driver did not do the same twice",
                  source_.name_of(current_)),
      sequence);
}

/// Cases and their traces that show it are found by who can begin anew (check_plugin.cpp).
Expected<void> Campaign::report_state(std::string headline, const Sequence& sequence) {
  Violation violation(finding_of(rule::STATE_RETURNS, std::move(headline)));
  if (!is_to_tell(violation)) return {};
  told_.push_back(key_of(violation));
  violation.operations = sequence.operations;
  violation.sequence = current_;
  violation.machine = machine_text(fresh_options(nullptr).machine);
  ++findings_;
  owner_.progress(tally_, current_);
  owner_.found(std::move(violation));
  return {};
}

// ---- findings -----------------------------------------------------------------------------------

/// The sequence made smaller as long as `same` says that the case just run is the same one.
Sequence Campaign::smallest(const Sequence& sequence,
                            const std::function<bool(const CaseEnd&)>& same, bool& again) {
  Sequence best = sequence;
  best.shared = 0;  // from the boot on
  const auto fails = [&](const Sequence& candidate) {
    owner_.begins(current_, candidate, Phase::shrinking);
    const auto end = run_case(candidate, false);
    return end && same(*end);
  };
  again = fails(best);
  if (!again || !options_.shrink || !settings_.may_shrink) return best;
  // What shows without an end needs none.
  for (const NamedEnd& end : all_ends) {
    Sequence candidate = best;
    candidate.ends.*end.member = false;
    if (best.ends.*end.member && fails(candidate)) best = candidate;
  }
  const auto began = Clock::now();
  constexpr double seconds_max = 20;  // a slow driver's finding is worth more than its best form
  const ShrinkResult result = shrink(
      best.operations,
      [&](std::span<const fuzz::Operation> operations) {
        return fails({.operations = {operations.begin(), operations.end()}, .ends = best.ends});
      },
      {.stop = [&] { return seconds_since(began) > seconds_max; }});
  if (result.reproduced) best.operations = result.operations;
  return best;
}

/// The case again, from the driver's boot on, with its trace.
Violation Campaign::record(const Sequence& small, const Finding& first) {
  Rule rule = first.rule;
  Violation violation;
  const CaseRecord record = record_again(small);
  if (!record.findings.empty() && break_one_rule(record.findings.front(), first)) {
    violation = told(record.findings.front(), record);
    violation.kind = first.kind;
    rule = violation.rule;
  }
  const bool shown = trace_shows(record.trace, rule, settings_.backend);
  if (violation.story.known && !shown) {
    violation.remarks.emplace_back(
        "the trace alone does not show it: of the driver more was seen than its events say (what "
        "it read of its own memory, what it left), so that `replay` needs --driver");
  }
  violation.calls = record.calls;
  auto path = write_finding(
      options_, fmt::format("finding-{}-{}", spec::rule_name(rule), findings_ + 1), record.trace);
  if (!path) {
    violation.remarks.push_back("no trace: " + path.error().message);
  } else if (!path->empty()) {
    violation.trace_path = std::move(*path);
    violation.again =
        again_command(shown ? "" : options_.driver, options_.backend, violation.trace_path);
  }
  return violation;
}

Expected<void> Campaign::report(u64 number, const Sequence& sequence, const Finding& first) {
  if (!is_to_tell(first)) return {};
  if (!settings_.fork_cases) absorb();
  const auto same = [&](const CaseEnd& end) {
    return !end.findings.empty() && key_of(end.findings.front()) == key_of(first);
  };
  bool again = true;
  Sequence small = sequence;
  if (!sequence.operations.empty() && settings_.may_shrink) {
    small = smallest(sequence, same, again);
  }
  forget_counts();
  if (!again) {
    --broken(tally_, first.rule);
    return report_state(
        fmt::format("{} broke {} once, and not when it was run again from the same "
                    "state: {}",
                    source_.name_of(number), spec::rule_name(first.rule), headline(first)),
        sequence);
  }
  Violation violation;
  if (settings_.may_record) {
    owner_.begins(current_, small, Phase::recording);
    if (settings_.fork_cases) {
      const auto text = in_child([&] { return encode(record(small, first)); });
      if (!text) return std::unexpected(text.error());
      if (auto recorded = decode_violation(*text)) violation = std::move(*recorded);
    } else {
      violation = record(small, first);
    }
  }
  if (!violation.story.known) {  // it was not recorded
    Violation seen(first);
    seen.trace_path = std::move(violation.trace_path);
    seen.again = std::move(violation.again);
    seen.remarks = std::move(violation.remarks);
    seen.calls = violation.calls;
    violation = std::move(seen);
    violation.remarks.emplace_back(
        "it was not seen again from a fresh start: the driver keeps state outside of its arena "
        "and its static variables (malloc, thread-locals, other libraries), or is not "
        "deterministic; the sequence may not be the shortest");
  }
  violation.sequence = number;
  if (options_.of_given) violation.remarks.push_back("first in " + source_.name_of(number));
  violation.machine = machine_text(fresh_options(nullptr).machine);
  violation.operations = small.operations;
  told_.push_back(key_of(first));
  ++findings_;
  owner_.progress(tally_, current_);
  owner_.found(std::move(violation));
  return {};
}

/// Counted each time; told once for a bound, and once for what is not modelled.
Expected<void> Campaign::report_bound(u64 number, const Sequence& sequence, const CaseEnd& end) {
  const bool unmodelled = !end.unsupported.empty();
  ++tally_.without_verdict;
  if (unmodelled) ++tally_.unmodelled;
  const bool stage2 = end.unsupported == spec::text_of(spec::NotModelled::stage2) ||
                      end.unsupported == spec::text_of(spec::NotModelled::nested_ats);
  if (stage2) ++tally_.stage2;
  bool& told = unmodelled ? told_unmodelled_ : told_bound_;
  if (std::exchange(told, true)) return {};
  if (!settings_.fork_cases) absorb();
  GaveUp gave_up{.bound = unmodelled ? end.unsupported + " is not modelled"
                                     : "a bound of the specification was hit: " + end.bound,
                 .unmodelled = unmodelled,
                 .operations = {},
                 .sequence = number,
                 .trace_path = {}};
  const auto same = [&](const CaseEnd& e) {
    return e.findings.empty() && (unmodelled ? !e.unsupported.empty() : !e.bound.empty());
  };
  bool again = true;
  Sequence small = sequence;
  if (!sequence.operations.empty()) small = smallest(sequence, same, again);
  forget_counts();
  gave_up.operations = small.operations;
  owner_.begins(current_, small, Phase::recording);
  const CaseRecord record = record_again(small);
  auto path = write_finding(options_, "gave-up-1", record.trace);
  if (path) {
    gave_up.trace_path = *path;
  } else {
    gave_up.bound += "; no trace: " + path.error().message;
  }
  owner_.gave_up(std::move(gave_up));
  return {};
}

}  // namespace iommucheck::oracle
