// SPDX-License-Identifier: MIT
#include "check/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "check/compare_drivers.h"
#include "check/driver_coverage.h"
#include "check/finding_files.h"
#include "check/machine_plan.h"
#include "cli/campaign.h"
#include "cli/check_settings.h"
#include "cli/options.h"
#include "cli/reports.h"
#include "cli/verdicts.h"
#include "host/store_count.h"
#include "report/finding_identity.h"
#include "report/finding_kind_text.h"
#include "report/junit.h"

namespace iommucheck::cli {
namespace {

std::string progress_text(const oracle::CheckProgress& now) {
  const double rate = now.seconds > 0 ? static_cast<double>(now.sequences) / now.seconds : 0;
  const double left =
      now.fraction_done > 0.001 ? now.seconds * (1 - now.fraction_done) / now.fraction_done : 0;
  return fmt::format("{} sequences, {}/s, {} outcomes, {} findings, {} left",
                     grouped(now.sequences), grouped(static_cast<u64>(rate)), grouped(now.outcomes),
                     now.findings, clock_text(left));
}

std::string verdict_line(const CheckCommand& options, const oracle::CheckResult& result,
                         const oracle::RunEnd& end) {
  const RuleTotals rules = totals(result.rules);
  std::string verdict = verdict_word(end);
  const auto was_seen = [](const oracle::KnownSeen& known) { return known.times != 0; };
  const auto known = std::ranges::count_if(result.known, was_seen);
  if (known != 0) {
    verdict = end.verdict() == Verdict::held
                  ? fmt::format("as known, {} known findings", known)
                  : fmt::format("{} (beside {} known findings)", verdict, known);
  }
  const std::size_t open = oracle::open_rules(result).size();
  if (open != 0 && end.verdict() == Verdict::held) {
    verdict += fmt::format(" but for {} undetermined rule{}", open, open == 1 ? "" : "s");
  }
  if (known != 0) {
    verdict += fmt::format(", {} sequences cut short by them", grouped(result.cut_short));
  }
  if (result.without_verdict != 0) {
    verdict += fmt::format(", {} sequences without a verdict", grouped(result.without_verdict));
  }
  for (const auto& finding : result.findings) {
    verdict += fmt::format(" {} ({})", spec::rule_name(finding.rule),
                           spec::family_name(spec::rule_info(finding.rule).family));
  }
  return fmt::format(
      "{} against {}: {}, {} sequences, {} calls, {} outcomes judged, "
      "{}: {} of {} claimed rules hold",
      options.backend.empty() ? result.driver_name + " driver" : "backend " + result.driver_name,
      options.backend.empty() ? "spec" : "the interface", verdict, grouped(result.sequences),
      grouped(result.calls), grouped(result.outcomes_judged), result.scope, rules.holds,
      rules.claimed());
}

/// The command line as it was given, but for which sequences: those that were not run.
std::string command_to_go_on(const CheckCommand& options, const oracle::CheckResult& result) {
  std::string text = "iommucheck";
  bool is_replaced = false;  // the word is the value of an option that is said anew
  for (const std::string& word : options.command_line) {
    if (std::exchange(is_replaced, false)) continue;
    const std::size_t sign = word.find('=');
    const std::string name = word.substr(0, sign);
    if (name == "--seed" || name == "--from" || name == "--runs") {
      is_replaced = sign == std::string::npos;
    } else {
      text += " " + oracle::shell_word(word);
    }
  }
  text += fmt::format(" --seed {} --from {}", result.seed, result.next_sequence);
  if (options.runs != 0) {
    text += fmt::format(" --runs {}", options.from + options.runs - result.next_sequence);
  }
  return text;
}

/// Two drivers, the same calls. Exit status 1 where one of them does what is not allowed.
int compare(const CheckCommand& options, const oracle::CheckOptions& settings) {
  const std::string subject = options.driver + " and " + options.other;
  const auto result = oracle::compare_drivers(settings, options.other);
  if (!result) {
    return ended_by(result.error(), report_of("check", subject, {}), options.reports,
                    options.format);
  }
  oracle::RunEnd end;
  if (std::ranges::any_of(result->differences,
                          [](const oracle::Difference& d) { return !d.both_allowed(); })) {
    end.found();
  }
  if (result->stopped) end.undecided("stopped");
  if (result->sequences == 0) end.undecided("no sequence was run");
  if (result->unread != 0) {
    end.undecided(
        fmt::format("{} differences cannot be read; one of the drivers may have written over them",
                    result->unread));
  }
  oracle::Report report = report_of("check", subject, end);
  report.property("seed", settings.seed);
  report.property("sequences", result->sequences);
  report.property("calls", result->calls);
  report.property("sequences_apart", result->apart);
  for (const oracle::Difference& difference : result->differences) {
    oracle::JunitCase one;
    one.name = difference.call;
    one.group = "differences";
    one.status =
        difference.both_allowed() ? oracle::JunitStatus::passed : oracle::JunitStatus::failed;
    one.details = oracle::difference_text(*result, difference);
    report.tests.push_back(std::move(one));
  }
  if (options.format == Format::text) {
    for (const oracle::Difference& difference : result->differences) {
      fmt::print("{}\n", oracle::difference_text(*result, difference));
    }
    for (const std::string& facts : result->facts) {
      fmt::print("compared within the domains of both: {}\n", facts);
    }
    for (const std::string& machine : result->refused) {
      fmt::print("not compared, since one of them is not for it: machine {}\n", machine);
    }
    fmt::print("{}\n", oracle::comparison_text(*result));
  } else {
    print_document(report, options.format);
  }
  return write_reports(report, options.reports, finish("check", end));
}

/// Each as --machine takes it; unless that is asked for, several of them are one line.
void print_machines(const oracle::CheckOptions& settings, bool verbose) {
  const auto plan = oracle::MachinePlan::parse(settings.machine, settings.seed);
  if (!plan) return;  // the run says what is wrong
  const auto& machines = plan->machines();
  if (!verbose && machines.size() > 1) {
    fmt::print("{} machines, the first: {} (-v: each)\n", machines.size(),
               oracle::machine_text(machines.front()));
    return;
  }
  u32 number = 0;
  for (const oracle::Machine& machine : machines) {
    fmt::print("machine {}: {}\n", ++number, oracle::machine_text(machine));
  }
}

/// As the driver met those of which it leaves something out: groups, what somebody left on.
void print_machines_met(const oracle::CheckOptions& settings, const oracle::CheckResult& result) {
  const auto plan = oracle::MachinePlan::parse(settings.machine, settings.seed);
  if (!plan || plan->machines().size() != result.machines.size()) return;
  for (std::size_t i = 0; i < result.machines.size(); ++i) {
    const std::string& met = result.machines[i].text;
    if (met == oracle::machine_text(plan->machines()[i])) continue;
    fmt::print("machine {} was met as: {}\n", i + 1, met);
  }
}

/// A line for each cause, where the findings do not fit a page together: one thing that is left
/// over for the same reason from several calls is one.
void print_causes(const oracle::CheckResult& result) {
  if (result.findings.size() < 2) return;
  struct Cause {
    spec::Rule rule;
    oracle::FindingKind kind;  // but what is done
    std::string place;
    std::string doing;
  };
  std::vector<Cause> causes;
  for (const oracle::Violation& finding : result.findings) {
    Cause cause{
        .rule = finding.rule, .kind = finding.kind, .place = {}, .doing = finding.kind.doing};
    cause.kind.doing.clear();
    if (const oracle::NamedEvent* place = oracle::event_in_source(finding)) {
      cause.place = fmt::format(", at {}:{}", oracle::from_here(place->source), place->source_line);
    }
    const auto same = std::ranges::find_if(causes, [&](const Cause& other) {
      return cause.kind.names_cause() && other.rule == cause.rule && other.kind == cause.kind &&
             other.place == cause.place && !other.doing.empty() && !cause.doing.empty();
    });
    if (same == causes.end()) {
      causes.push_back(std::move(cause));
    } else {
      same->doing += ", " + cause.doing;
    }
  }
  fmt::print("{} findings:\n", result.findings.size());
  for (Cause& cause : causes) {
    cause.kind.doing = cause.doing;
    fmt::print("  {:<24} {}{}\n", spec::rule_name(cause.rule), oracle::text_of(cause.kind),
               cause.place);
  }
}

/// In fewer it is chance which calls come to where they can be done.
constexpr u64 many_sequences = 2000;

/// The findings were printed when they were found.
void print_text(const CheckCommand& options, const oracle::CheckResult& result,
                const oracle::RunEnd& end) {
  print_causes(result);
  print_rules(result.rules, options.all_rules);
  for (const std::string& line : oracle::not_claimed_lines(result.not_claimed, result.shown)) {
    fmt::print("{}\n", line);
  }
  if (!result.not_built.empty()) {
    fmt::print("not judged: {} were answered with NOT_BUILT\n", result.not_built);
  }
  if (!result.declined.empty()) {
    fmt::print("not judged: refused each time, as a driver may that has not got it: {}\n",
               fmt::join(result.declined, ", "));
  }
  if (!result.not_possible.empty() && result.sequences >= many_sequences) {
    fmt::print("not judged: never came to where it could be done: {}\n",
               fmt::join(result.not_possible, ", "));
  }
  if (result.uses_secure_registers) {
    fmt::print(
        "not judged: what the driver does with Secure registers (offsets 0x8000 to 0xbfff): this "
        "SMMU has no Secure state, so they read as 0 and keep nothing (IHI 0070 3.10)\n");
  }
  if (!result.read_only_written.empty()) {
    fmt::print("the driver writes to {}, which {} only read: nothing comes of it\n",
               fmt::join(result.read_only_written, ", "),
               result.read_only_written.size() == 1 ? "is" : "are");
  }
  for (std::size_t i = 0; i < result.machines.size(); ++i) {
    const oracle::MachineUsed& machine = result.machines[i];
    if (!machine.refused) continue;
    fmt::print("machine {} was not tried: the driver says that it is not for it{}{}\n", i + 1,
               machine.instead.empty() ? "" : "; in its place ", machine.instead);
  }
  if (!result.not_met.empty()) {
    fmt::print("not judged: the driver refused each machine with {}\n",
               fmt::join(result.not_met, ", each with "));
  }
  const u64 share = result.calls == 0 ? 0 : result.calls_succeeded * 100 / result.calls;
  fmt::print("{} accesses judged; {}% of the calls succeeded; {:.1f} s, {} sequences/s\n",
             grouped(result.accesses_judged), share, result.seconds,
             result.seconds > 0
                 ? grouped(static_cast<u64>(static_cast<double>(result.sequences) / result.seconds))
                 : "0");
  for (const std::string& line : campaign_lines(options, result)) fmt::print("{}\n", line);
  for (const auto& gave_up : result.gave_up) {
    fmt::print("no verdict on sequence {}: {}\n", gave_up.sequence, gave_up.bound);
    for (const auto& operation : gave_up.operations) fmt::print("    {}\n", fuzz::print(operation));
    if (!gave_up.trace_path.empty()) {
      fmt::print("  again: {}\n", oracle::again_command("", options.backend, gave_up.trace_path));
    }
  }
  if (result.stopped) {
    fmt::print("stopped; to go on: {}\n", command_to_go_on(options, result));
  }
  fmt::print("{}\n", verdict_line(options, result, end));
}

/// --coverage and --count-stores: lines for the report, and what they leave undecided.
std::vector<std::string> look_at_driver(const CheckCommand& options,
                                        const oracle::CheckOptions& settings, oracle::RunEnd& end) {
  std::vector<std::string> lines;
  if (settings.coverage && settings.coverage->places().empty()) {
    end.undecided("--coverage: the driver has no counters; build it with iommucheck cc --coverage");
  } else if (settings.coverage) {
    lines = oracle::coverage_lines(*settings.coverage, options.driver);
  }
  if (!settings.store_count) return lines;
  const oracle::StoreCount::Totals stores = settings.store_count->totals();
  if (stores.seen == 0) {
    end.undecided("--count-stores: no store was seen; build the driver with iommucheck cc");
    return lines;
  }
  std::ranges::copy(oracle::store_count_lines(stores, options.driver), std::back_inserter(lines));
  if (!stores.all_told()) end.undecided("--count-stores: not each store was told, once");
  return lines;
}

/// What the run looks at besides, and what is not claimed.
Expected<void> add_what_was_asked_for(const CheckCommand& options, oracle::CheckOptions& settings) {
  if (!options.other.empty() && (options.coverage || options.count_stores)) {
    return fail(ErrorCode::bad_input,
                "--coverage and --count-stores look at one driver: leave the second one out");
  }
  auto claims = oracle::parse_claims(options.not_claimed);
  if (!claims) return std::unexpected(std::move(claims.error()));
  settings.claims = *claims;
  if (options.coverage) {
    auto coverage = oracle::DriverCoverage::create();
    if (!coverage) return std::unexpected(std::move(coverage.error()));
    settings.coverage = std::move(*coverage);
  }
  if (options.count_stores) {
    auto count = oracle::StoreCount::create();
    if (!count) return std::unexpected(std::move(count.error()));
    settings.store_count = std::move(*count);
  }
  return {};
}

}  // namespace

int run_check(const CheckCommand& options) {
  ProgressLine progress;
  oracle::CheckOptions settings = check_settings(options);
  settings.progress = [&](const oracle::CheckProgress& now) {
    if (progress.due()) progress.show(progress_text(now));
  };
  if (!options.to_corpus.empty()) return write_check_seeds(options, settings);
  const auto not_run = [&](const Error& error) {
    return ended_by(error, report_of("check", oracle::subject_of(settings), {}), options.reports,
                    options.format);
  };
  if (auto added = add_what_was_asked_for(options, settings); !added) {
    return not_run(added.error());
  }
  std::vector<std::string> unread;
  if (auto loaded = load_campaign(options, settings, unread); !loaded) {
    return not_run(loaded.error());
  }
  if (options.format == Format::text) {
    settings.found = [&](const oracle::Violation& finding) {
      progress.clear();
      print_finding(finding);
      std::fflush(stdout);  // a run goes on for hours, perhaps in a pipe
    };
    fmt::print("check of {} {}{}, seed {}\n", options.backend.empty() ? "driver" : "backend",
               oracle::subject_of(settings), options.other.empty() ? "" : " and " + options.other,
               settings.seed);
    print_machines(settings, options.verbose);
    std::fflush(stdout);
  }
  catch_interrupts();
  if (!options.other.empty()) return compare(options, settings);
  const auto result = oracle::run_check(settings);
  progress.clear();
  if (!result) return not_run(result.error());
  oracle::RunEnd end = oracle::end_of(settings, *result);
  for (const std::string& file : unread) end.undecided("not run: " + file);
  const std::vector<std::string> seen_of_driver = look_at_driver(options, settings, end);
  if (auto finished = finish_campaign(options, settings, *result); !finished) {
    end.environment(finished.error().message);
  }
  const int status = finish("check", end);
  oracle::Report report = report_of(*result, end);
  report.backend = options.backend;
  report.object = object_of(options.backend.empty() ? options.driver : options.backend);
  if (options.format == Format::text) {
    for (const std::string& line : seen_of_driver) fmt::print("{}\n", line);
    if (options.verbose) print_machines_met(settings, *result);
    print_text(options, *result, end);
  } else {
    print_document(report, options.format);
  }
  return write_reports(report, options.reports, status);
}

}  // namespace iommucheck::cli
