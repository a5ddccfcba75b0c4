// SPDX-License-Identifier: MIT
#include "oracle/door/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "oracle/evidence.h"
#include "oracle/report/junit.h"
#include "trace/codec.h"
#include "trace/file.h"
#include "trace/json.h"

namespace iommucheck::oracle {

namespace {

/// The monitor numbers in 32 bits, and one event may take two numbers.
constexpr u64 reports_max = u64{1} << 30;

}  // namespace

Expected<void> Session::may_open(const trace::Header& header) {
  for (const char* name : {"IDR0", "IDR1", "IDR5"}) {
    if (header.id_registers && header.id_registers->contains(name)) continue;
    return fail(ErrorCode::bad_input,
                fmt::format("key \"id_registers\": {} is missing; what an SMMU can do is read "
                            "there and nowhere else",
                            name));
  }
  for (const auto& [name, value] : *header.id_registers) {
    if (value <= ~u32{0}) continue;
    return fail(ErrorCode::bad_input,
                fmt::format("key \"id_registers\": {} has more than 32 bits", name));
  }
  return {};
}

Session::Session(trace::Header header)
    : header_(std::move(header)), judge_(header_, findings_max) {}

Expected<EventVerdict> Session::take(const trace::Event& event) {
  if (reported_ >= reports_max || judge_.now() >= std::numeric_limits<EventIndex>::max() - 4) {
    return fail(ErrorCode::gave_up, "events are numbered in 32 bits: no more are taken");
  }
  const std::size_t begin = bytes_.size();
  if (keep_) trace::encode(event, bytes_);
  const bool waited = judge_.waits();
  judge_.take(event);
  fresh_ = false;
  ++reported_;
  if (keep_) {
    begins_.push_back(begin);
  } else {
    complete_ = false;
  }
  // One that waits has the number of the event before until it is judged.
  if (judge_.waits() && !std::holds_alternative<trace::Reach>(event.payload)) {
    if (waited) number_waiting();
    waiting_ = numbers_.size();
  }
  numbers_.push_back(judge_.now());
  collect();
  return judge_.waits() && !waited ? EventVerdict::accepted : judge_.last();
}

/// The event that waited, and the regions that followed it, have the number that it got.
void Session::number_waiting() {
  for (std::size_t i = waiting_; i < numbers_.size(); ++i) numbers_[i] = judge_.now();
}

EventVerdict Session::flush() {
  if (!judge_.waits()) return EventVerdict::accepted;
  judge_.flush();
  fresh_ = false;
  number_waiting();
  collect();
  return judge_.last();
}

void Session::finish() {
  if (finished_) return;
  flush();
  judge_.finish();
  finished_ = true;
  fresh_ = false;
  collect();
}

/// Number of the report that made the event of that number, from 1; 0: none.
u64 Session::report_of(EventIndex event) const {
  if (event == 0) return 0;
  const auto found = std::ranges::lower_bound(numbers_, event);
  if (found == numbers_.end()) return 0;
  return static_cast<u64>(found - numbers_.begin()) + 1;
}

Expected<trace::Event> Session::kept_event(u64 report) const {
  if (!complete_ || report == 0 || report > begins_.size()) {
    return fail(ErrorCode::bad_input, "the event is not kept");
  }
  trace::ByteReader in{.bytes = bytes_, .offset = begins_[report - 1]};
  return trace::decode(in);
}

/// "event 57: the driver stores 0x0 at 0x80006008 (line 60 of the trace)" for each that is named.
void Session::describe_events(const std::vector<std::string>& texts, DoorFinding& finding) const {
  std::vector<EventIndex> named;
  constexpr std::string_view word = "event ";
  for (const std::string& text : texts) {
    for (std::size_t i = text.find(word); i != std::string::npos; i = text.find(word, i + 1)) {
      const char* begin = text.data() + i + word.size();
      EventIndex number = 0;
      if (std::from_chars(begin, text.data() + text.size(), number).ptr != begin) {
        named.push_back(number);
      }
    }
  }
  std::ranges::sort(named);
  const auto doubled = std::ranges::unique(named);
  named.erase(doubled.begin(), doubled.end());
  for (const EventIndex number : named) {
    const u64 report = report_of(number);
    const auto event = kept_event(report);
    if (!event) continue;
    finding.evidence.push_back(
        fmt::format("event {}: {} (line {} of the trace)", number, describe(*event), report + 1));
  }
}

void Session::collect() {
  const std::vector<Violation>& all = judge_.so_far().findings;
  while (findings_.size() < all.size()) {
    const Violation& violation = all[findings_.size()];
    const spec::RuleInfo& rule = spec::rule_info(violation.rule);
    DoorFinding finding;
    finding.rule = rule.name;
    finding.family = spec::family_name(rule.family);
    finding.party = spec::keeper_name(rule.keeper);
    finding.section = rule.section;
    finding.rule_text = rule.text;
    finding.text = violation.headline;
    finding.evidence = violation.evidence;
    finding.event = judge_.found_at()[findings_.size()];
    finding.report = report_of(finding.event);
    std::vector<std::string> texts = violation.evidence;
    texts.push_back(violation.headline);
    describe_events(texts, finding);
    finding.all = fmt::format("VIOLATION {} ({}), at fault: {}\n  {}\n  rule: {} [{}]\n",
                              finding.rule, finding.family, finding.party, finding.text,
                              finding.rule_text, finding.section);
    for (const std::string& line : finding.evidence) finding.all += "  " + line + "\n";
    findings_.push_back(std::move(finding));
  }
}

const ReplayResult& Session::result() {
  if (!fresh_) result_ = judge_.result();
  fresh_ = true;
  return result_;
}

std::string Session::junit(std::string_view name) {
  JunitSuite suite;
  suite.name = name.empty() ? "iommucheck monitor" : std::string(name);
  const ReplayResult& now = result();
  std::vector<Violation> findings = now.findings;
  for (std::size_t i = 0; i < findings.size(); ++i) findings[i].evidence = findings_[i].evidence;
  if (!now.source.empty()) suite.property("source", now.source);
  if (header_.seed) suite.property("seed", std::to_string(*header_.seed));
  suite.property("events", std::to_string(now.events));
  suite.property("undetermined", std::to_string(now.undetermined));
  add_rules(suite, now.rules, findings, "rules");
  for (const MissingFact& missing : now.missing) {
    JunitCase one;
    one.name = missing.fact;
    one.group = "undetermined";
    one.status = JunitStatus::skipped;
    one.message = fmt::format("{} events are undetermined", missing.events);
    suite.cases.push_back(std::move(one));
  }
  return to_junit(suite);
}

void Session::keep(bool keep) {
  keep_ = keep && complete_;
  if (keep) return;
  complete_ = complete_ && reported_ == 0;
  bytes_ = {};
  begins_ = {};
}

Expected<void> Session::save(const std::string& path) const {
  if (!complete_ || begins_.size() != reported_) {
    return fail(ErrorCode::bad_input,
                "events were not kept from the first one on (iommucheck_monitor_keep)");
  }
  auto file = trace::OutputFile::create(path);
  if (!file) return std::unexpected(file.error());
  if (auto done = file->write(trace::to_json(header_) + "\n"); !done) return done;
  trace::ByteReader in{.bytes = bytes_, .offset = 0};
  std::string lines;
  constexpr std::size_t chunk = 1 << 16;
  for (u64 i = 0; i < reported_; ++i) {
    const auto event = trace::decode(in);
    if (!event) return std::unexpected(event.error());
    lines += trace::to_json(*event) + "\n";
    if (lines.size() < chunk && i + 1 != reported_) continue;
    if (auto done = file->write(lines); !done) return done;
    lines.clear();
  }
  return file->finish();
}

Expected<void> Session::add_coverage(const std::string& path) {
  const RuleTally now = judge_.tally();
  RuleTally since = now;
  for (std::size_t i = 0; i < RuleTally::size; ++i) {
    since.asked[i] -= added_.asked[i];
    since.discriminating[i] -= added_.discriminating[i];
    since.broken[i] -= added_.broken[i];
  }
  RuleCoverage coverage = RuleCoverage::of(since);
  coverage.runs = counted_ ? 0 : 1;
  auto added = add_to_coverage_file(path, coverage);
  if (!added) return added;
  added_ = now;
  counted_ = true;
  return {};
}

}  // namespace iommucheck::oracle
