// SPDX-License-Identifier: MIT
#include "oracle/replay.h"

#include <fmt/format.h>

#include "cli/options.h"
#include "cli/verdicts.h"

namespace iommucheck::cli {
namespace {

std::string verdict_line(const ReplayCommand& options, const oracle::ReplayResult& result) {
  return fmt::format("{}: {}, {} events: {} accepted, {} flagged, {} undetermined, rules {} of {}",
                     options.trace, result.findings.empty() ? "no violation" : "VIOLATED",
                     grouped(result.events), grouped(result.accepted), grouped(result.flagged),
                     grouped(result.undetermined), totals(result.rules).holds,
                     totals(result.rules).claimed());
}

void print_text(const ReplayCommand& options, const oracle::ReplayResult& result) {
  for (const auto& finding : result.findings) print_finding(finding);
  print_rules(result.rules, options.all_rules);
  for (const auto& missing : result.missing) {
    fmt::print("{:>12} events undetermined: {}\n", grouped(missing.events), missing.fact);
  }
  if (result.notes != 0) fmt::print("{:>12} notes without meaning\n", grouped(result.notes));
  fmt::print("{}{:.1f} s\n", result.source.empty() ? "" : result.source + "; ", result.seconds);
  if (result.stopped) fmt::print("stopped: what follows has not been judged\n");
  fmt::print("{}\n", verdict_line(options, result));
}

void print_json(const ReplayCommand& options, const oracle::ReplayResult& result) {
  JsonWriter json;
  json.begin_object()
      .member("trace", options.trace)
      .member("source", result.source)
      .member("verdict", result.findings.empty() ? "holds" : "violated")
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

}  // namespace

int run_replay(const ReplayCommand& options) {
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
  if (!result) return report("replay", result.error());
  if (options.format == Format::json) {
    print_json(options, *result);
  } else {
    print_text(options, *result);
  }
  return result->findings.empty() && result->flagged == 0 ? exit_held : exit_violation;
}

}  // namespace iommucheck::cli
