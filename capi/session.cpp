// SPDX-License-Identifier: MIT
#include "capi/session.h"

#include <fmt/format.h>

#include "monitor/trace_setup.h"
#include "report/event_text.h"
#include "report/finding_json.h"
#include "report/finding_text.h"
#include "report/junit.h"
#include "trace/codec.h"
#include "trace/file.h"
#include "trace/json.h"

namespace iommucheck::oracle {

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

EventVerdict Session::take(const trace::Event& event) {
  events_.add(event);
  const bool waited = judge_.waits();
  judge_.take(event);
  fresh_ = false;
  collect();
  return judge_.waits() && !waited ? EventVerdict::accepted : judge_.last();
}

EventVerdict Session::flush() {
  if (!judge_.waits()) return EventVerdict::accepted;
  judge_.flush();
  fresh_ = false;
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

namespace {

/// Every cause that the finding knows: its own, and those of what hardware may do.
std::vector<DoorFinding::Link> links_of(const Violation& violation) {
  std::vector<DoorFinding::Link> links;
  const auto add = [&](const spec::Cause& cause) {
    links.push_back({.cause = cause,
                     .text = spec::cause_text_without_miss(cause),
                     .miss_text = cause.miss ? spec::miss_text(*cause.miss) : ""});
  };
  for (const spec::Cause& cause : violation.causes) add(cause);
  for (const May& may : violation.hardware) {
    if (may.because) add(*may.because);
  }
  return links;
}

/// The header is line 1 of the trace.
u64 report_of_line(u64 line) { return line == 0 ? 0 : line - 1; }

}  // namespace

void Session::collect() {
  for (const TraceJudges::Told& told : judge_.take_findings()) {
    const Violation& violation = told.finding;
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
    finding.during = violation.during;
    finding.where = violation.where;
    finding.report = report_of_line(told.line);
    finding.all = full_text(violation);
    finding.json = to_json(violation).text();
    finding.causes = links_of(violation);
    for (const NamedEvent& named : violation.named) {
      finding.named.push_back({named.number, report_of_line(named.line), describe(named.event)});
    }
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
  for (const MissingFact& missing : now.missing) suite.cases.push_back(case_of(missing));
  return to_junit(suite);
}

Expected<void> Session::save(const std::string& path) const {
  const u64 cut = events_.came() - events_.kept();
  if (events_.kept() == 0 && cut != 0) {
    return fail(ErrorCode::bad_input, "no event is kept (iommucheck_monitor_keep)");
  }
  auto file = trace::OutputFile::create(path);
  if (!file) return std::unexpected(file.error());
  trace::Header header = header_;
  if (cut != 0) mark_cut(header, cut);
  if (auto done = file->write(trace::to_json(header) + "\n"); !done) return done;
  std::string lines;
  constexpr std::size_t chunk = 1 << 16;
  auto written = events_.for_each([&](const trace::Event& event) -> Expected<void> {
    lines += trace::to_json(event) + "\n";
    if (lines.size() < chunk) return {};
    auto done = file->write(lines);
    lines.clear();
    return done;
  });
  if (written) written = file->write(lines);
  if (!written) return written;
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
