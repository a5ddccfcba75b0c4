// SPDX-License-Identifier: MIT
#include "oracle/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <unordered_map>

#include "oracle/check_rules.h"
#include "oracle/evidence.h"
#include "oracle/import/symbols.h"
#include "oracle/monitor.h"
#include "trace/trace_file.h"

namespace iommucheck::oracle {

namespace {

using spec::Rule;
using trace::Event;

constexpr u64 window_max = u64{256} << 20;

bool reports(const trace::Header& header, trace::EventKind kind) {
  if (!header.not_reported) return true;
  const std::string_view name = trace::info(kind).name;
  return std::ranges::find(*header.not_reported, name) == header.not_reported->end();
}

std::string source_of(const trace::Header& header) {
  std::string source;
  if (header.about) {
    for (const auto& [key, value] : *header.about) {
      if (key == "cmdline" || key == "accel") continue;
      source += (source.empty() ? "" : ", ") + key + " " + value;
    }
  }
  for (const auto& [name, version] : header.versions) {
    source += (source.empty() ? "" : ", ") + name + " " + version;
  }
  return source;
}

/// Events judged one after the other, and what became of each.
class Replay {
 public:
  Replay(const trace::Header& header, const ReplayOptions& options)
      : options_(options), setup_(setup_of(header)), monitor_(setup_) {
    result_.source = source_of(header);
    const std::string table = symbols_path(options.trace);
    std::error_code error;
    if (!options.trace.empty() && std::filesystem::is_regular_file(table, error)) {
      if (auto symbols = SymbolTable::read(table)) symbols_ = std::move(*symbols);
    }
  }

  /// An event says what it links after it happened, so what a region held stands behind the event
  /// that made it reachable. It held that before: an event waits for the regions that follow it.
  void take(Event event) {
    if (held_ && std::holds_alternative<trace::Reach>(event.payload)) {
      judge(event);
      return;
    }
    flush();
    held_ = std::move(event);
  }
  void flush() {
    if (held_) judge(*held_);
    held_.reset();
  }

  ReplayResult finish(double seconds, bool stopped) {
    flush();
    monitor_.finish();
    settle(Verdict::accepted, false);
    late();
    result_.seconds = seconds;
    result_.stopped = stopped;
    for (const Monitor::Undetermined& known : monitor_.undetermined()) {
      add_missing(known.missing, known.count);
    }
    if (!monitor_.caches().unsupported().empty()) {
      add_missing("the specification of " + monitor_.caches().unsupported() + " is not built", 0);
    }
    if (monitor_.gave_up()) add_missing("a bound of the specification was hit", 0);
    count_rules();
    return std::move(result_);
  }

  [[nodiscard]] u64 events() const { return result_.events; }
  [[nodiscard]] u64 flagged() const { return result_.flagged; }

 private:
  enum class Verdict : u8 { accepted, undetermined, flagged };

  void judge(const Event& event) {
    if (std::holds_alternative<trace::Note>(event.payload)) {
      ++result_.notes;
      return;
    }
    monitor_.feed(event);
    remember(event);
    ++result_.events;
    ++result_.accepted;
    settle(missing_events() != missing_ ? Verdict::undetermined : Verdict::accepted, true);
    missing_ = missing_events();
  }

  [[nodiscard]] u64 missing_events() const {
    u64 count = 0;
    for (const Monitor::Undetermined& known : monitor_.undetermined()) count += known.count;
    return count;
  }

  /// The verdict of the current event, and of earlier ones where it is found now.
  void settle(Verdict verdict, bool current) {
    const EventIndex now = monitor_.now();
    while (findings_ < monitor_.findings().size()) {
      const Finding& finding = monitor_.findings()[findings_++];
      if (current && finding.at == now) {
        verdict = Verdict::flagged;
      } else {
        move(finding.at, Verdict::flagged);
      }
      ++broken_[static_cast<std::size_t>(finding.rule)];
      if (result_.findings.size() < options_.findings_max)
        result_.findings.push_back(words(finding));
    }
    if (current && verdict != Verdict::accepted) move(now, verdict);
  }

  /// An event is something worse than it was.
  void move(EventIndex at, Verdict verdict) {
    Verdict& known = verdicts_[at];
    if (known >= verdict) return;
    --(known == Verdict::accepted ? result_.accepted : result_.undetermined);
    ++(verdict == Verdict::flagged ? result_.flagged : result_.undetermined);
    known = verdict;
  }

  void late() {
    for (const Monitor::LateMissing& one : monitor_.late_missing()) {
      move(one.at, Verdict::undetermined);
      add_missing(one.missing, 1);
    }
  }

  void add_missing(const std::string& fact, u64 events) {
    for (MissingFact& known : result_.missing) {
      if (known.fact != fact) continue;
      known.events += events;
      return;
    }
    result_.missing.push_back({fact, events});
  }

  void remember(const Event& event) {
    if (const auto* store = std::get_if<trace::Store>(&event.payload)) {
      if (store->pc) stored_by_[monitor_.now()] = *store->pc;
    }
  }

  Violation words(const Finding& finding) const {
    Violation violation;
    violation.rule = finding.rule;
    const std::vector<std::string> parts = parts_of(finding.text);
    violation.headline = fmt::format("event {}: {}", finding.at,
                                     parts.empty() ? std::string("broken") : parts.front());
    for (std::size_t i = 1; i < parts.size(); ++i) violation.evidence.push_back(parts[i]);
    std::vector<EventIndex> named{finding.at};
    for (const std::string& part : parts) find_events(part, named);
    std::ranges::sort(named);
    const auto doubled = std::ranges::unique(named);
    named.erase(doubled.begin(), doubled.end());
    for (const EventIndex at : named) {
      const auto pc = stored_by_.find(at);
      if (pc == stored_by_.end()) continue;
      violation.evidence.push_back(
          fmt::format("event {}: stored by {}", at, symbols_.describe(pc->second)));
    }
    return violation;
  }

  static void find_events(std::string_view text, std::vector<EventIndex>& named) {
    constexpr std::string_view word = "event ";
    for (std::size_t i = text.find(word); i != std::string_view::npos; i = text.find(word, i + 1)) {
      const char* begin = text.data() + i + word.size();
      EventIndex number = 0;
      if (std::from_chars(begin, text.data() + text.size(), number).ptr != begin) {
        named.push_back(number);
      }
    }
  }

  /// Why a recording cannot say anything of a rule; null if it can.
  [[nodiscard]] const char* out_of_sight(Rule rule) const {
    switch (rule) {
      case Rule::PROMISE_OUTCOME:
      case Rule::PROMISE_TRANSIENT:
      case Rule::PROMISE_UNDISTURBED:
      case Rule::RESULT_EXACT:
      case Rule::LEAK_NOTHING:
      case Rule::HANG_RETURNS:
      case Rule::CRASH_NEVER:
        return setup_.calls_are_known ? nullptr : "the recording shows no calls";
      case Rule::CONFIG_MIXTURE:
      case Rule::CONFIG_STALE_ACCESS:
      case Rule::TRANSLATION_STALE_ACCESS:
        return setup_.calls_are_known ? "calls are known: promises say more" : nullptr;
      case Rule::QUEUE_SLOT_ORDER:
      case Rule::QUEUE_SLOT_LIVE:
        return setup_.calls_are_known ? nullptr : "the recording shows no stores to the queue";
      default: return nullptr;
    }
  }

  void count_rules() {
    RuleTally tally;
    tally.add(monitor_);
    tally.broken = broken_;
    if (const RecordingRules* rules = monitor_.recording_rules()) {
      for (const auto& [rule, count] : rules->counts()) {
        tally.asked[static_cast<std::size_t>(rule)] += count.asked;
        tally.discriminating[static_cast<std::size_t>(rule)] += count.discriminating;
      }
    }
    result_.rules = rule_counts(tally, monitor_.caches().capabilities());
    for (RuleCount& count : result_.rules) {
      if (count.verdict == RuleVerdict::broken) continue;
      const char* why = out_of_sight(count.rule);
      if (why == nullptr) continue;
      count.verdict = RuleVerdict::not_claimed;
      count.why = why;
    }
    for (const Rule rule :
         {Rule::DEVICE_OUTCOME, Rule::REGISTER_READ, Rule::QUEUE_CONSUMED_ORDER}) {
      const auto i = static_cast<std::size_t>(rule);
      RuleCount count{.rule = rule, .broken = tally.broken[i], .why = {}};
      count.kept = tally.asked[i] - std::min(tally.asked[i], count.broken);
      count.discriminating = std::min(count.kept, tally.discriminating[i]);
      count.verdict = count.broken != 0 ? RuleVerdict::broken
                      : count.kept != 0 ? RuleVerdict::holds
                                        : RuleVerdict::not_exercised;
      result_.rules.push_back(std::move(count));
    }
  }

  const ReplayOptions& options_;
  Setup setup_;
  Monitor monitor_;
  SymbolTable symbols_;
  std::optional<Event> held_;
  ReplayResult result_;
  std::size_t findings_ = 0;
  u64 missing_ = 0;
  std::array<u64, RuleTally::size> broken_{};
  std::unordered_map<EventIndex, Verdict> verdicts_;  // of those that are not accepted
  std::unordered_map<EventIndex, u64> stored_by_;     // program counters
};

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

}  // namespace

Setup setup_of(const trace::Header& header) {
  Setup setup;
  if (header.id_registers) {
    const auto value = [&](const std::string& name) {
      const auto found = header.id_registers->find(name);
      return found == header.id_registers->end() ? u32{0} : static_cast<u32>(found->second);
    };
    for (unsigned i = 0; i < 6; ++i) setup.id.idr[i] = value("IDR" + std::to_string(i));
    setup.id.iidr = value("IIDR");
    setup.id.aidr = value("AIDR");
  } else {
    setup.id = default_id_registers();
  }
  if (header.devices) {
    for (const trace::DeviceInfo& device : *header.devices) setup.devices.push_back(device.sids);
  }
  setup.calls_are_known = reports(header, trace::EventKind::Call);
  setup.commands_in_events = !setup.calls_are_known;
  setup.barriers_known = reports(header, trace::EventKind::Barrier);
  setup.assumed_clean = header.assumed_clean.value_or(false);
  if (setup.calls_are_known && header.ram && header.ram->size() == 1 &&
      header.ram->front().length <= window_max) {
    setup.window_pa = header.ram->front().base;
    setup.window_bytes = header.ram->front().length;
  }
  return setup;
}

ReplayResult replay_trace(const trace::Trace& trace, const ReplayOptions& options) {
  const Clock::time_point begin = Clock::now();
  Replay replay(trace.header, options);
  for (const Event& event : trace.events) replay.take(event);
  return replay.finish(seconds_since(begin), false);
}

Expected<ReplayResult> run_replay(const ReplayOptions& options) {
  const Clock::time_point begin = Clock::now();
  auto reader = trace::TraceReader::open(options.trace);
  if (!reader) return std::unexpected(std::move(reader.error()));
  Replay replay(reader->header(), options);
  bool stopped = false;
  constexpr u64 between = 1024;
  for (u64 count = 0;; ++count) {
    if (count % between == 0) {
      if (options.stop && options.stop()) {
        stopped = true;
        break;
      }
      if (options.progress)
        options.progress({replay.events(), replay.flagged(), seconds_since(begin)});
    }
    auto event = reader->next();
    if (!event) return std::unexpected(std::move(event.error()));
    if (!*event) break;
    replay.take(std::move(**event));
  }
  return replay.finish(seconds_since(begin), stopped);
}

}  // namespace iommucheck::oracle
