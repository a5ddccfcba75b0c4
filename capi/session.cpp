// SPDX-License-Identifier: MIT
#include "capi/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "report/finding_text.h"
#include "report/junit.h"
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

void Session::collect() {
  const std::vector<Violation>& all = judge_.so_far().findings;
  while (findings_.size() < all.size()) {
    const Violation& violation = all[findings_.size()];
    const spec::RuleInfo& rule = spec::rule_info(violation.rule);
    DoorFinding finding;
    finding.rule = rule.name;
    finding.family = spec::family_name(rule.family);
    finding.party = spec::keeper_name(violation.party);
    finding.section = rule.section;
    finding.rule_text = rule.text;
    finding.text = headline(violation);
    finding.evidence = evidence(violation);
    finding.event = violation.at;
    finding.report = report_of(finding.event);
    finding.all = full_text(violation);
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
  if (!now.source.empty()) suite.property("source", now.source);
  if (header_.seed) suite.property("seed", std::to_string(*header_.seed));
  suite.property("events", std::to_string(now.events));
  suite.property("undetermined", std::to_string(now.undetermined));
  add_rules(suite, now.rules, now.findings, "rules");
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
