// SPDX-License-Identifier: MIT
#include "monitor/replay.h"

#include <fmt/format.h>

#include "check/alone.h"
#include "cli/options.h"
#include "cli/reports.h"
#include "cli/trace_backend.h"
#include "cli/unfinished.h"
#include "cli/verdicts.h"
#include "report/finding_text.h"
#include "report/junit.h"
#include "spec/rules/interface.h"

namespace iommucheck::cli {
namespace {

using oracle::Report;

std::string verdict_line(const ReplayCommand& options, const oracle::ReplayResult& result,
                         const oracle::RunEnd& end) {
  return fmt::format(
      "{}: {}, {} events: {} accepted, {} flagged, {} undetermined, rules {} of {}", options.trace,
      end.verdict() == Verdict::held ? "no violation" : verdict_word(end), grouped(result.events),
      grouped(result.accepted), grouped(result.flagged), grouped(result.undetermined),
      totals(result.rules).holds, totals(result.rules).claimed());
}

void print_text(const ReplayCommand& options, const oracle::ReplayResult& result,
                const oracle::RunEnd& end) {
  for (const auto& finding : result.findings) print_finding(finding);
  print_rules(result.rules, options.all_rules);
  for (const auto& missing : result.missing) {
    fmt::print("{:>12} events undetermined: {}\n", grouped(missing.events), missing.fact);
  }
  if (result.notes != 0) fmt::print("{:>12} notes without meaning\n", grouped(result.notes));
  fmt::print("{}{:.1f} s\n", result.source.empty() ? "" : result.source + "; ", result.seconds);
  fmt::print("{}\n", verdict_line(options, result, end));
}

/// How the cases of a trace ended with a driver; a death is a finding as well.
struct DriverRun {
  oracle::RunEnd end;
  std::vector<oracle::Violation> findings;
  std::string what = "no violation";
};

DriverRun end_with_driver(const oracle::Alone& alone) {
  DriverRun run;
  const oracle::Outcome& outcome = alone.outcome;
  const auto found = [&](oracle::Finding finding) {
    run.end.found();
    run.what = oracle::one_line(finding);
    run.findings.emplace_back(std::move(finding));
  };
  const bool crashed = outcome.ended == oracle::Ended::crashed;
  if (crashed && outcome.party != oracle::Party::driver) {
    run.what =
        (outcome.party == oracle::Party::outside ? "the process " : "the checker's own code ") +
        outcome.describe();
    run.end.environment(run.what);
  } else if (crashed || outcome.ended == oracle::Ended::timed_out) {
    found(oracle::finding_of(crashed ? spec::rule::CRASH_NEVER : spec::rule::HANG_RETURNS,
                             "the driver " + outcome.describe()));
  } else if (alone.broken) {
    found(*alone.broken);
  } else if (outcome.ended == oracle::Ended::stopped) {
    run.what = "stopped";
    run.end.undecided("stopped before the cases were at their end");
  }
  return run;
}

Report report_with_driver(const ReplayCommand& options, const oracle::CasesAgain& again,
                          const DriverRun& run) {
  Report report = report_of("replay", options.trace + " with " + options.driver, run.end);
  report.property("trace", options.trace);
  report.property("driver", options.driver);
  report.property("cases", u64{again.cases});
  report.property("printed", again.end.outcome.output);
  report.findings = run.findings;
  for (oracle::Violation& finding : report.findings) finding.trace_path = options.trace;
  report.trace = options.trace;
  report.summary = run.what;
  if (run.findings.empty()) {
    oracle::JunitCase cases;
    cases.name = "cases";
    cases.group = "replay " + options.driver;
    cases.file = options.trace;
    cases.message = run.what;
    if (run.end.verdict() != Verdict::held) cases.status = oracle::JunitStatus::skipped;
    report.tests.push_back(std::move(cases));
  }
  return report;
}

/// The trace's cases with a driver, in a process of their own.
int run_with_driver(const ReplayCommand& options) {
  oracle::CheckOptions settings;
  settings.driver = options.driver;
  settings.backend = options.backend;
  settings.hang_seconds = options.hang_seconds;
  settings.stop = interrupted;
  catch_interrupts();
  const auto again = oracle::run_cases_of(options.trace, settings);
  if (!again) {
    return ended_by(again.error(), report_of("replay", options.trace, {}), options.reports,
                    options.format);
  }
  const DriverRun run = end_with_driver(again->end);
  const Report report = report_with_driver(options, *again, run);
  if (options.format == Format::text) {
    fmt::print("{}", again->end.outcome.output);
    const std::string rule =
        run.findings.empty()
            ? std::string()
            : fmt::format(", VIOLATED {}", spec::rule_name(run.findings.front().rule));
    fmt::print("{} with {}: {} case{} run{}: {}\n", options.trace, options.driver, again->cases,
               again->cases == 1 ? "" : "s", rule, run.what);
  } else {
    print_document(report, options.format);
  }
  return write_reports(report, options.reports, finish("replay", run.end));
}

}  // namespace

int run_replay(const ReplayCommand& options) {
  if (!options.driver.empty()) return run_with_driver(options);
  ProgressLine progress;
  oracle::ReplayOptions settings;
  settings.trace = options.trace;
  settings.findings_max = options.findings;
  settings.stop = interrupted;
  settings.progress = [&](const oracle::ReplayProgress& now) {
    if (!progress.due()) return;
    progress.show(fmt::format("{} events, {} findings, {}", grouped(now.events), now.findings,
                              clock_text(now.seconds)));
  };
  catch_interrupts();
  auto hardware = hardware_of_trace(options.trace, options.backend);
  if (!hardware) {
    return ended_by(hardware.error(), report_of("replay", options.trace, {}), options.reports,
                    options.format);
  }
  settings.hardware = std::move(*hardware);
  const auto result = oracle::run_replay(settings);
  progress.clear();
  if (!result) {
    return ended_by(result.error(), report_of("replay", options.trace, {}), options.reports,
                    options.format);
  }
  oracle::RunEnd end = oracle::end_of(*result);
  if (end.verdict() == Verdict::held) {
    if (const std::string within = unfinished_in(options.trace); !within.empty()) {
      end.undecided("the trace ends within " + within +
                    ": it is cut, or what ended the driver there is not in it");
    }
  }
  const int status = finish("replay", end);
  Report report = report_of(options.trace, *result, end);
  report.backend = options.backend;
  if (options.format == Format::text) {
    print_text(options, *result, end);
  } else {
    print_document(report, options.format);
  }
  return write_reports(report, options.reports, status);
}

}  // namespace iommucheck::cli
