// SPDX-License-Identifier: MIT
#include "monitor/trace_judge.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "monitor/trace_setup.h"
#include "spec/rules/interface.h"
#include "spec/rules/promises.h"
#include "spec/rules/protocol.h"

namespace iommucheck::oracle {

namespace {

using spec::Rule;

namespace rule = spec::rule;
using trace::Event;

std::string source_of(const trace::Header& header) {
  std::string source;
  if (header.about) {
    for (const auto& [key, value] : *header.about) {
      if (key == "cmdline" || key == "accel" || key == "cases" || key == "operations") continue;
      source += (source.empty() ? "" : ", ") + key + " " + value;
    }
  }
  for (const auto& [name, version] : header.versions) {
    source += (source.empty() ? "" : ", ") + name + " " + version;
  }
  return source;
}

/// Duties of the caller's of which the interface says what a driver does when they are broken: a
/// campaign breaks them to see that, so they are no finding of a trace.
bool is_answered(Rule rule) { return rule == rule::HANDLER_BOUND || rule == rule::DOMAIN_IN_USE; }

Setup setup_over(const trace::Header& header, Hardware* hardware) {
  Setup setup = setup_of(header);
  setup.hardware = hardware;
  return setup;
}

}  // namespace

void add(std::vector<MissingFact>& missing, const std::string& fact, u64 events) {
  for (MissingFact& known : missing) {
    if (known.fact != fact) continue;
    known.events += events;
    return;
  }
  missing.push_back({fact, events});
}

Judge::Judge(const trace::Header& header, u32 findings_max, const std::string& trace,
             const MakeHardware& hardware)
    : findings_max_(findings_max),
      hardware_(hardware ? hardware(setup_of(header)) : nullptr),
      setup_(setup_over(header, hardware_.get())),
      monitor_(setup_),
      chronicle_(setup_.calls_are_known) {
  tell_of_absent_memory(header, monitor_);
  result_.source = source_of(header);
  if (trace.empty()) return;
  const std::string table = trace::symbols_path(trace);
  std::error_code error;
  if (!std::filesystem::is_regular_file(table, error)) return;
  if (auto symbols = trace::SymbolTable::read(table)) symbols_ = std::move(*symbols);
}

/// A recording's event says what it links after it happened, so what a region held stands behind
/// the event that made it reachable. It held that before: an event waits for the regions that
/// follow it.
void Judge::take(Event event) {
  ++line_;
  if (held_ && std::holds_alternative<trace::Reach>(event.payload)) {
    judge(event, line_);
    return;
  }
  flush();
  if (setup_.calls_are_known) {
    judge(event, line_);
  } else {
    held_ = std::move(event);
    held_line_ = line_;
  }
}

void Judge::flush() {
  if (held_) judge(*held_, held_line_);
  held_.reset();
}

void Judge::finish() {
  flush();
  monitor_.finish();
  settle(monitor_.now(), false);
}

void Judge::judge(const Event& event, u64 line) {
  if (std::holds_alternative<trace::Note>(event.payload)) {
    ++result_.notes;
    last_ = EventVerdict::accepted;
    return;
  }
  const EventIndex before = monitor_.now();
  monitor_.feed(event);
  chronicle_.add(event, monitor_.now(), line);
  ++result_.events;
  ++result_.accepted;
  const u64 missing = missing_events();
  last_ = missing != missing_ ? EventVerdict::undetermined : EventVerdict::accepted;
  missing_ = missing;
  settle(before, true);
  if (last_ != EventVerdict::accepted) move(monitor_.now(), last_);
}

u64 Judge::missing_events() const {
  u64 count = 0;
  for (const Monitor::Undetermined& known : monitor_.undetermined()) count += known.count;
  return count;
}

/// What was found since, of the current event (numbered above `before`) and of earlier ones.
void Judge::settle(EventIndex before, bool current) {
  const EventIndex now = monitor_.now();
  for (const Finding& finding : monitor_.findings()) {
    if (current && (finding.at > before || finding.at == now)) {
      last_ = EventVerdict::flagged;
    } else {
      move(finding.at, EventVerdict::flagged);
    }
    ++broken_[spec::number_of(finding.rule)];
    if (result_.findings.size() < findings_max_) {
      result_.findings.push_back(told(finding));
    }
  }
  for (const Finding& finding : monitor_.blamed_on_caller()) {
    if (is_answered(finding.rule)) continue;
    if (current) last_ = EventVerdict::flagged;
    if (!current) move(finding.at, EventVerdict::flagged);
    if (result_.findings.size() >= findings_max_) continue;
    result_.findings.push_back(told(finding));
  }
  for (const Monitor::LateMissing& late : monitor_.late_missing()) {
    add(late_, late.missing, 1);
    move(late.at, EventVerdict::undetermined);
  }
  monitor_.forget_the_past();
}

/// An event is something worse than it was.
void Judge::move(EventIndex at, EventVerdict verdict) {
  const auto [place, fresh] = verdicts_.try_emplace(at, EventVerdict::accepted);
  if (fresh) worse_.push_back(at);
  EventVerdict& known = place->second;
  if (known >= verdict) return;
  u64& from = known == EventVerdict::accepted ? result_.accepted : result_.undetermined;
  known = verdict;
  if (from == 0) return;  // found before the first event
  --from;
  ++(verdict == EventVerdict::flagged ? result_.flagged : result_.undetermined);
  constexpr std::size_t most = std::size_t{1} << 18;
  if (worse_.size() <= most) return;
  verdicts_.erase(worse_.front());
  worse_.pop_front();
}

Violation Judge::told(const Finding& finding) const {
  Violation violation = chronicle_.tell(finding);
  if (symbols_.size() == 0) return violation;
  for (NamedEvent& named : violation.named) {
    const auto* store = std::get_if<trace::Store>(&named.event.payload);
    if (store != nullptr && store->pc) named.symbol = symbols_.describe(*store->pc);
  }
  return violation;
}

/// Why a recording cannot say anything of a rule; null if it can.
const char* Judge::out_of_sight(Rule rule) const {
  switch (rule) {
    case rule::PROMISE_OUTCOME:
    case rule::PROMISE_TRANSIENT:
    case rule::PROMISE_UNDISTURBED:
    case rule::RESULT_EXACT:
    case rule::LEAK_NOTHING:
    case rule::HANG_RETURNS:
    case rule::CRASH_NEVER:
      return setup_.calls_are_known ? nullptr : "the recording shows no calls";
    case rule::CONFIG_MIXTURE:
    case rule::CONFIG_STALE_ACCESS:
    case rule::TRANSLATION_STALE_ACCESS:
      return setup_.calls_are_known ? "calls are known: promises say more" : nullptr;
    case rule::QUEUE_SLOT_ORDER:
    case rule::QUEUE_SLOT_LIVE:
    case rule::QUEUE_RECORD_ORDER:
      return setup_.calls_are_known ? nullptr : "the recording shows no stores to the queue";
    default: return nullptr;
  }
}

RuleTally Judge::tally() {
  RuleTally tally;
  tally.add(monitor_);
  tally.broken = broken_;
  if (const RecordingRules* rules = monitor_.recording_rules()) {
    for (const auto& [rule, count] : rules->counts()) {
      tally.asked[spec::number_of(rule)] += count.asked;
      tally.discriminating[spec::number_of(rule)] += count.discriminating;
    }
  }
  if (const DeviceRules* rules = monitor_.device_rules()) {
    for (std::size_t i = 0; i < RuleTally::size; ++i) {
      tally.asked[i] += rules->numbers().asked[i];
      tally.discriminating[i] += rules->numbers().discriminating[i];
    }
  }
  return tally;
}

/// Of a device under test: what the SMMU has to keep, as far as something asked for it.
void Judge::add_rules_of_the_smmu(const RuleTally& counted, std::vector<RuleCount>& rules) const {
  for (const spec::RuleInfo& info : spec::all_rules()) {
    if (info.keeper != spec::Keeper::smmu) continue;
    RuleCount count = counted.count(info.rule);
    if (count.verdict == RuleVerdict::not_exercised && count.kept != 0) {
      count.verdict = RuleVerdict::undetermined;
      count.why = "each time another outcome was allowed as well";
    } else if (count.verdict == RuleVerdict::not_exercised) {
      count.why = "no event came to a point where it could have been broken";
    }
    rules.push_back(std::move(count));
  }
}

std::vector<RuleCount> Judge::rules(const RuleTally& counted) {
  std::vector<RuleCount> rules = rule_counts(counted, {&monitor_.caches().capabilities(), 1});
  for (RuleCount& count : rules) {
    if (count.verdict == RuleVerdict::broken) continue;
    const char* why = out_of_sight(count.rule);
    if (why == nullptr) continue;
    count.verdict = RuleVerdict::not_claimed;
    count.why = why;
  }
  for (const Rule rule : {rule::DEVICE_OUTCOME, rule::REGISTER_READ, rule::QUEUE_CONSUMED_ORDER}) {
    RuleCount count = counted.count(rule);
    if (count.verdict == RuleVerdict::not_exercised && count.kept != 0) {
      count.verdict = RuleVerdict::holds;
    }
    rules.push_back(std::move(count));
  }
  if (setup_.device_is_judged) add_rules_of_the_smmu(counted, rules);
  return rules;
}

std::vector<MissingFact> Judge::missing() {
  std::vector<MissingFact> missing = late_;
  for (const Monitor::Undetermined& known : monitor_.undetermined()) {
    add(missing, known.missing, known.count);
  }
  if (!monitor_.unsupported().empty()) {
    add(missing, "the specification of " + monitor_.unsupported() + " is not built", 0);
  }
  if (monitor_.gave_up()) {
    add(missing, "a bound of the specification was hit: " + monitor_.bound(), 0);
  }
  return missing;
}

ReplayResult Judge::result() {
  ReplayResult result = result_;
  result.missing = missing();
  // Of a recording, and of a device, more is judged than what needs it.
  const bool of_promises = setup_.calls_are_known && !setup_.device_is_judged;
  if (const std::string unsupported(monitor_.unsupported()); of_promises && !unsupported.empty()) {
    result.bound = unsupported + " is not modelled";
  } else if (monitor_.gave_up()) {
    result.bound = "a bound of the specification was hit: " + monitor_.bound();
  }
  result.rules = rules(tally());
  return result;
}

RunEnd end_of(const ReplayResult& result) {
  RunEnd end;
  if (!result.findings.empty() || result.flagged != 0) end.found();
  if (result.stopped) {
    end.undecided(
        fmt::format("stopped after {} events: what follows has not been judged", result.events));
  }
  if (result.cut_short) end.error(*result.cut_short);
  if (!result.bound.empty()) end.undecided(result.bound);
  if (result.events == 0) {
    end.undecided("the trace has no event to judge");
  } else if (result.accepted == 0 && result.undetermined != 0) {
    end.undecided("each event is undetermined: a fact is missing");
  } else if (result.findings.empty() && !any_rule(result.rules, RuleVerdict::holds)) {
    end.undecided("no rule was exercised: nothing in the trace could have broken one");
  }
  return end;
}

}  // namespace iommucheck::oracle
