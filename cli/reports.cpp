// SPDX-License-Identifier: MIT
#include "cli/reports.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "cli/console.h"
#include "cli/trace_backend.h"
#include "explain/timeline.h"
#include "report/finding_identity.h"
#include "report/finding_text.h"
#include "report/html.h"
#include "trace/file.h"

namespace iommucheck::cli {

using oracle::JunitCase;
using oracle::JunitStatus;
using oracle::Report;

Report report_of(std::string command, std::string subject, const oracle::RunEnd& end) {
  Report report;
  report.command = std::move(command);
  report.subject = std::move(subject);
  report.version = version_text();
  report.verdict = end.verdict();
  report.why = end.why();
  return report;
}

std::string object_of(const std::string& named) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(named, error)) return "";
  return oracle::from_here(std::filesystem::absolute(named, error).lexically_normal().string());
}

Report report_of(const oracle::CheckResult& result, const oracle::RunEnd& end) {
  Report report = report_of("check", result.driver_name, end);
  report.seconds = result.seconds;
  report.property("driver", result.driver_name);
  report.property("seed", result.seed);
  for (std::size_t i = 0; i < result.machines.size(); ++i) {
    const oracle::MachineUsed& machine = result.machines[i];
    report.property(fmt::format("machine_{}", i + 1),
                    machine.text + (machine.refused ? " (refused by the driver)" : "") +
                        (machine.instead.empty() ? "" : ", instead " + machine.instead));
  }
  report.property("sequences", result.sequences);
  report.property("sequences_given", result.given);
  report.property("corpus_kept", u64{result.corpus.kept.size()});
  report.property("calls", result.calls);
  report.property("calls_succeeded", result.calls_succeeded);
  report.property("accesses_judged", result.accesses_judged);
  report.property("outcomes_judged", result.outcomes_judged);
  report.property("stopped", result.stopped);
  report.property("ended_early", result.ended_early);
  report.property("scope", result.scope);
  report.property("without_verdict", result.without_verdict);
  report.property("cut_short", result.cut_short);
  report.property("not_claimed", result.not_claimed.text());
  report.property("not_built", result.not_built);
  report.property("declined", fmt::format("{}", fmt::join(result.declined, ", ")));
  report.property("not_possible", fmt::format("{}", fmt::join(result.not_possible, ", ")));
  report.property("read_only_written",
                  fmt::format("{}", fmt::join(result.read_only_written, ", ")));
  report.property("not_met", fmt::format("{}", fmt::join(result.not_met, ", ")));
  report.rules = result.rules;
  report.findings = result.findings;
  for (const oracle::KnownSeen& known : result.known) {
    JunitCase one;
    one.name = known.entry.id;
    one.group = "known findings";
    one.status = JunitStatus::skipped;
    one.message = fmt::format("{} {}: {}", known.entry.rule, known.entry.kind,
                              known.expired      ? "expired on " + known.entry.expires
                              : known.times == 0 ? std::string("not seen")
                                                 : fmt::format("{} times", known.times));
    report.tests.push_back(std::move(one));
  }
  for (const auto& gave_up : result.gave_up) {
    JunitCase one;
    one.name = fmt::format("sequence {}", gave_up.sequence);
    one.group = "check " + result.driver_name;
    one.status = JunitStatus::error;
    one.type = "gave-up";
    one.message = gave_up.bound;
    for (const auto& operation : gave_up.operations) one.details += fuzz::print(operation) + "\n";
    report.tests.push_back(std::move(one));
  }
  return report;
}

Report report_of(const std::string& trace, const oracle::ReplayResult& result,
                 const oracle::RunEnd& end) {
  Report report = report_of("replay", trace, end);
  report.seconds = result.seconds;
  report.trace = trace;
  report.property("trace", trace);
  report.property("source", result.source);
  report.property("events", result.events);
  report.property("accepted", result.accepted);
  report.property("flagged", result.flagged);
  report.property("undetermined", result.undetermined);
  report.property("notes", result.notes);
  report.property("stopped", result.stopped);
  report.rules = result.rules;
  report.findings = result.findings;
  for (const auto& missing : result.missing) report.tests.push_back(oracle::case_of(missing));
  return report;
}

std::string quoted(const std::string& text) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,+=";
  if (!text.empty() && text.find_first_not_of(plain) == std::string::npos) return text;
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

namespace {

std::string listed(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

std::string names_of(const std::vector<spec::Rule>& rules) {
  std::vector<std::string> names;
  for (const spec::Rule rule : rules) names.emplace_back(spec::rule_name(rule));
  return listed(names);
}

}  // namespace

oracle::Violation finding_of(const oracle::FoundDivergence& found,
                             const oracle::ConformResult& result) {
  oracle::Violation violation = oracle::violation_of(found);
  if (!found.trace_path.empty()) {
    violation.again = fmt::format("iommucheck conform --device {} --seed {} --replay {}",
                                  quoted(result.opened), result.seed, quoted(found.trace_path));
  } else if (result.given != 0) {
    violation.again = fmt::format("iommucheck conform --device {} --seed {} {}",
                                  quoted(result.opened), result.seed, result.given_as);
  } else if (const std::size_t number = found.first_case.rfind(", case ");
             found.first_case.starts_with("random: ") && number != std::string::npos) {
    violation.again =
        fmt::format("iommucheck conform --device {} --seed {} --case {}", quoted(result.opened),
                    result.seed, found.first_case.substr(number + 7));
  } else {
    violation.again = fmt::format("iommucheck conform --device {} --seed {} --only {}",
                                  quoted(result.opened), result.seed, quoted(found.first_case));
  }
  return violation;
}

namespace {

/// Of what is known, and of what shows only now and then.
std::vector<JunitCase> tests_of(const oracle::ConformResult& result) {
  std::vector<JunitCase> tests;
  for (const auto& found : result.divergences) {
    if (found.known_id.empty()) continue;
    JunitCase known;
    known.name = found.known_id;
    known.group = "known divergences";
    known.status = JunitStatus::skipped;
    known.message = found.divergence.called;
    tests.push_back(std::move(known));
  }
  for (const auto& found : result.not_reproduced) {
    JunitCase flaky;
    flaky.name =
        fmt::format("{}: {}", spec::rule_name(found.divergence.rule), found.divergence.called);
    flaky.group = "not reproduced";
    flaky.status = JunitStatus::error;
    flaky.message =
        fmt::format("seen {} times, first in {}; its case alone showed it in {} of {} runs",
                    found.times, found.first_case, found.shown, found.runs);
    tests.push_back(std::move(flaky));
  }
  for (const auto& gone : result.vanished) {
    JunitCase vanished;
    vanished.name = gone.id;
    vanished.group = "known divergences";
    vanished.status = JunitStatus::failed;
    vanished.message = "vanished: the device does not do it any more";
    vanished.file = result.known_file;
    tests.push_back(std::move(vanished));
  }
  return tests;
}

}  // namespace

Report report_of(const oracle::ConformResult& result, const oracle::RunEnd& end) {
  Report report = report_of("conform", result.device, end);
  report.seconds = result.seconds;
  report.property("device", result.device);
  report.property("device_version", result.version);
  report.property("known_file", result.known_file);
  report.property("seed", result.seed);
  report.property("directed", result.directed);
  report.property("random", result.random);
  report.property("given", result.given);
  report.property("accesses", result.accesses);
  report.property("records", result.records);
  report.property("stale_allowed", result.stale_allowed);
  report.property("several_allowed", result.open);
  report.property("anything_allowed", result.any);
  report.property("undetermined", result.undetermined);
  report.property("deaths", result.deaths);
  report.property("gave_up", result.gave_up);
  report.property("bound_at", result.bound_at);
  report.property("not_reproduced", result.not_reproduced.size());
  report.property("stopped", result.stopped);
  report.property("from", result.from);
  report.property("changed_registers", listed(result.changed_registers));
  report.property("claimed_since", names_of(result.claimed_since));
  report.property("claimed_no_more", names_of(result.claimed_no_more));
  report.rules = result.rules;
  for (const auto& found : result.divergences) {
    if (found.known_id.empty()) report.findings.push_back(finding_of(found, result));
  }
  report.tests = tests_of(result);
  // What is known does not make a rule fail.
  for (oracle::RuleCount& rule : report.rules) {
    const auto its = [&](const oracle::Violation& v) { return v.rule == rule.rule; };
    if (rule.verdict != oracle::RuleVerdict::broken || std::ranges::any_of(report.findings, its)) {
      continue;
    }
    rule.as_known = true;
    rule.why = "in known ways";
  }
  return report;
}

void print_document(const Report& report, Format format) {
  if (format == Format::json) fmt::print("{}", oracle::to_json(report));
  if (format == Format::junit) fmt::print("{}", oracle::to_junit(report));
  if (format == Format::ktap) fmt::print("{}", oracle::to_ktap(report));
}

std::string page_of(const Report& report) {
  std::vector<oracle::Timeline> timelines;
  for (const oracle::Violation& finding : report.findings) {
    const std::string& trace = finding.trace_path.empty() ? report.trace : finding.trace_path;
    oracle::Timeline& timeline = timelines.emplace_back();
    if (trace.empty()) {
      timeline.missing = "no trace was written (--out)";
      continue;
    }
    oracle::TimelineOf what{.trace = trace, .event = {}};
    auto hardware = hardware_of_trace(trace, report.backend);
    if (!hardware) {
      timeline.missing = hardware.error().message;
      continue;
    }
    what.hardware = std::move(*hardware);
    // One trace of several findings; in one of its own a finding is the first.
    if (finding.trace_path.empty()) what.event = finding.at;
    auto found = oracle::timeline_of(what);
    if (found) {
      timeline = std::move(found->timeline);
    } else {
      timeline.missing = found.error().message;
    }
  }
  return oracle::to_html(report, timelines);
}

int write_reports(const Report& report, const std::vector<std::string>& files, int status) {
  for (const std::string& name : files) {
    const auto file = oracle::report_file(name);
    const auto done = !file ? Expected<void>(std::unexpected(file.error()))
                      : file->format == oracle::ReportFormat::html
                          ? trace::write_file(file->path, page_of(report))
                          : oracle::write_report(report, *file);
    if (done) continue;
    const int failed = cli::report(report.command, done.error());
    if (status != oracle::exit_status(oracle::Verdict::violated)) status = std::max(status, failed);
  }
  return status;
}

int ended_by(const Error& error, const Report& report, const std::vector<std::string>& files,
             Format format) {
  Report ended = report;
  ended.verdict = oracle::verdict_of(error.code);
  ended.why.insert(ended.why.begin(), error.message);
  const int status = cli::report(report.command, error);
  print_document(ended, format);
  return write_reports(ended, files, status);
}

}  // namespace iommucheck::cli
