// SPDX-License-Identifier: MIT
#include "oracle/replay.h"

#include <fmt/format.h>

#include "cli/options.h"
#include "cli/reports.h"
#include "cli/verdicts.h"
#include "oracle/alone.h"
#include "oracle/report/finding_text.h"
#include "oracle/report/junit.h"
#include "oracle/run_end.h"

namespace iommucheck::cli {
namespace {

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

void print_json(const ReplayCommand& options, const oracle::ReplayResult& result,
                const oracle::RunEnd& end) {
  JsonWriter json;
  json.begin_object()
      .member("trace", options.trace)
      .member("source", result.source)
      .member("verdict", oracle::to_string(end.verdict()))
      .texts("why", end.why())
      .member("events", result.events)
      .member("accepted", result.accepted)
      .member("flagged", result.flagged)
      .member("undetermined", result.undetermined)
      .member("notes", result.notes)
      .member("seconds", result.seconds)
      .member("stopped", result.stopped)
      .key("missing")
      .begin_array();
  for (const auto& missing : result.missing) {
    json.begin_object().member("fact", missing.fact).member("events", missing.events).end_object();
  }
  json.end_array();
  write_findings(json, result.findings);
  write_rules(json, result.rules);
  json.end_object().print();
}

/// The trace as one case, and one for each rule.
void print_junit(const ReplayCommand& options, const oracle::ReplayResult& result,
                 const oracle::RunEnd& end) {
  oracle::JunitSuite suite = suite_of("replay", options.trace, result.seconds);
  if (!result.source.empty()) suite.property("source", result.source);
  suite.property("events", std::to_string(result.events));
  suite.property("accepted", std::to_string(result.accepted));
  suite.property("flagged", std::to_string(result.flagged));
  suite.property("undetermined", std::to_string(result.undetermined));
  if (result.stopped) suite.property("stopped", "true");
  oracle::JunitCase whole;
  whole.name = options.trace;
  whole.group = "replay";
  whole.file = options.trace;
  whole.seconds = result.seconds;
  whole.output = verdict_line(options, result, end);
  for (const auto& missing : result.missing) {
    whole.output += fmt::format("\n{} events undetermined: {}", missing.events, missing.fact);
  }
  // What was found is the failure of its rule, below, and counted there.
  if (result.findings.empty() && result.flagged == 0 && result.undetermined != 0 &&
      result.accepted == 0) {
    whole.status = oracle::JunitStatus::skipped;
    whole.message = "undetermined: a fact is missing at each event";
  }
  suite.cases.push_back(std::move(whole));
  oracle::add_rules(suite, result.rules, result.findings, "rules of " + options.trace);
  add_end(suite, end, "replay");
  fmt::print("{}", oracle::to_junit(suite));
}

/// The trace's cases with a driver, in a process of their own.
int run_with_driver(const ReplayCommand& options) {
  oracle::CheckOptions settings;
  settings.driver = options.driver;
  settings.hang_seconds = options.hang_seconds;
  settings.stop = interrupted;
  catch_interrupts();
  const auto again = oracle::run_cases_of(options.trace, settings);
  if (!again) return report("replay", again.error());
  const oracle::Outcome& outcome = again->end.outcome;
  oracle::RunEnd verdict;
  const bool crashed = outcome.ended == oracle::Ended::crashed;
  const bool others = crashed && outcome.party != oracle::Party::driver;
  const bool died = (crashed && !others) || outcome.ended == oracle::Ended::timed_out;
  std::string rule;
  std::string what = "no violation";
  if (died) {
    rule = crashed ? "CRASH_NEVER" : "HANG_RETURNS";
    what = "the driver " + outcome.describe();
  } else if (others) {
    what = (outcome.party == oracle::Party::outside ? "the process " : "the checker's own code ") +
           outcome.describe();
    verdict.environment(what);
  } else if (again->end.broken) {
    rule = std::string(spec::rule_name(again->end.broken->rule));
    what = oracle::one_line(*again->end.broken);
  } else if (outcome.ended == oracle::Ended::stopped) {
    what = "stopped";
    verdict.undecided("stopped before the cases were at their end");
  }
  if (!rule.empty()) verdict.found();
  if (options.format == Format::json) {
    JsonWriter json;
    json.begin_object()
        .member("trace", options.trace)
        .member("driver", options.driver)
        .member("verdict", oracle::to_string(verdict.verdict()))
        .member("cases", u64{again->cases})
        .member("rule", rule)
        .member("what", what)
        .member("printed", outcome.output)
        .end_object()
        .print();
  } else if (options.format == Format::junit) {
    oracle::JunitSuite suite = suite_of("replay", options.trace + " with " + options.driver, 0);
    suite.property("cases", std::to_string(again->cases));
    oracle::JunitCase one;
    one.name = rule.empty() ? "cases" : rule;
    one.group = "replay " + options.driver;
    one.file = options.trace;
    one.output = outcome.output;
    if (!rule.empty()) {
      one.status = oracle::JunitStatus::failed;
      one.message = what;
    } else if (others) {
      one.status = oracle::JunitStatus::error;
      one.message = what;
    } else if (outcome.ended == oracle::Ended::stopped) {
      one.status = oracle::JunitStatus::skipped;
      one.message = what;
    }
    suite.cases.push_back(std::move(one));
    fmt::print("{}", oracle::to_junit(suite));
  } else {
    if (!outcome.output.empty()) fmt::print("{}", outcome.output);
    fmt::print("{} with {}: {} case{} run{}: {}\n", options.trace, options.driver, again->cases,
               again->cases == 1 ? "" : "s", rule.empty() ? "" : ", VIOLATED " + rule, what);
  }
  return finish("replay", verdict);
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
  const auto result = oracle::run_replay(settings);
  progress.clear();
  if (!result) {
    return ended_by(result.error(), report_of("replay", options.trace, {}), options.reports,
                    options.format);
  }
  const oracle::RunEnd end = oracle::end_of(*result);
  const int status = finish("replay", end);
  if (options.format == Format::json) {
    print_json(options, *result, end);
  } else if (options.format == Format::junit) {
    print_junit(options, *result, end);
  } else {
    print_text(options, *result, end);
  }
  return write_reports(report_of(options.trace, *result, end), options.reports, status);
}

}  // namespace iommucheck::cli
