// SPDX-License-Identifier: MIT
#include "conform/conform.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <fnmatch.h>

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

#include "check/machine.h"
#include "cli/driver_cases.h"
#include "cli/options.h"
#include "cli/reports.h"
#include "cli/verdicts.h"
#include "matrix/matrix.h"
#include "report/finding_kind_text.h"
#include "report/finding_text.h"

namespace iommucheck::cli {
namespace {

using oracle::ConformResult;
using oracle::RuleVerdict;

void print_in_full(const oracle::FoundDivergence& found, const ConformResult& result) {
  const spec::RuleInfo& rule = spec::rule_info(found.divergence.rule);
  const oracle::Violation violation = finding_of(found, result);
  fmt::print("NEW DIVERGENCE {} ({}), at fault: {}\n  {}\n  rule: {} [{}]\n", rule.name,
             spec::family_name(rule.family), spec::keeper_name(violation.party),
             oracle::headline(violation), rule.text, rule.section);
  for (const std::string& line : oracle::details(violation)) fmt::print("  {}\n", line);
}

using Found = oracle::FoundDivergence;
/// New ones of one cause.
using Cause = std::vector<const Found*>;

/// More than these are no page.
constexpr std::size_t causes_listed = 20;
constexpr std::size_t causes_in_full = 3;

std::vector<Cause> causes_of(const ConformResult& result) {
  std::vector<Cause> causes;
  for (const Found& found : result.divergences) {
    if (!found.known_id.empty()) continue;
    const auto its = std::ranges::find_if(causes, [&](const Cause& cause) {
      return !found.cause.empty() && cause.front()->cause == found.cause &&
             cause.front()->behind == found.behind;
    });
    if (its != causes.end()) {
      its->push_back(&found);
    } else {
      causes.push_back({&found});
    }
  }
  return causes;
}

std::string plural(std::size_t count, std::string_view word) {
  return fmt::format("{} {}{}", count, word, count == 1 ? "" : "s");
}

/// What there is to tell, before it is told: a line for each cause.
void print_causes(const std::vector<Cause>& causes, bool all) {
  if (causes.empty()) return;
  std::size_t kinds = 0;
  for (const Cause& cause : causes) kinds += cause.size();
  fmt::print("new: {}, {}\n", plural(causes.size(), "cause"), plural(kinds, "kind"));
  for (const Cause& cause : causes) {
    if (!all && &cause - causes.data() == std::ptrdiff_t{causes_listed}) {
      fmt::print("  and {} more (-v)\n", causes.size() - causes_listed);
      break;
    }
    u64 times = 0;
    for (const Found* found : cause) times += found->times;
    const Found& first = *cause.front();
    fmt::print("  {:<24} {}, {} times", spec::rule_name(first.divergence.rule),
               first.divergence.called, grouped(times));
    if (!first.cause.empty()) fmt::print("; right with: {}", first.cause);
    if (cause.size() > 1) fmt::print("; {}", plural(cause.size() - 1, "further kind"));
    fmt::print("\n");
  }
}

/// The first of each cause in full, and of the others their kinds; of many causes the first ones,
/// and the kinds that are asked for.
void print_new(const std::vector<Cause>& causes, const ConformResult& result,
               const ConformCommand& options) {
  const auto is_asked = [&](const Found* found) {
    return !options.explain.empty() &&
           ::fnmatch(options.explain.c_str(), found->divergence.called.c_str(), 0) == 0;
  };
  std::size_t told = 0, left_out = 0;
  for (const Cause& cause : causes) {
    const bool in_full = options.verbose || (options.explain.empty() && told < causes_in_full);
    if (!in_full && std::ranges::none_of(cause, is_asked)) {
      ++left_out;
      continue;
    }
    ++told;
    if (in_full || is_asked(cause.front())) print_in_full(*cause.front(), result);
    if (in_full && cause.size() > 1) {
      fmt::print("  right with the same: {} (--explain KIND)\n",
                 plural(cause.size() - 1, "further kind"));
    }
    for (const Found* found : cause) {
      if (found == cause.front()) continue;
      if (is_asked(found)) {
        print_in_full(*found, result);
      } else if (in_full) {
        fmt::print("    {:<24} {}, {} times\n", spec::rule_name(found->divergence.rule),
                   found->divergence.called, grouped(found->times));
      }
    }
  }
  if (left_out != 0) {
    fmt::print("{} not in full: --explain KIND, a pattern, or -v\n", plural(left_out, "cause"));
  }
}

void print_known(const ConformResult& result, bool all) {
  std::size_t kinds = 0;
  u64 times = 0;
  for (const Found& found : result.divergences) {
    if (found.known_id.empty()) continue;
    ++kinds;
    times += found.times;
    if (!all) continue;
    fmt::print("  known   {:<24} {} [{}], {} times\n", spec::rule_name(found.divergence.rule),
               found.divergence.called, found.known_id, grouped(found.times));
  }
  if (!all && kinds != 0) {
    fmt::print("{} known, {} times (-v: each)\n", plural(kinds, "divergence"), grouped(times));
  }
}

void print_divergences(const ConformResult& result, const ConformCommand& options) {
  print_known(result, options.verbose);
  print_new(causes_of(result), result, options);
  for (const auto& found : result.not_reproduced) {
    fmt::print(
        "NOT REPRODUCED {}: {}\n  first in: {}; {} times; its case alone showed it in {} of {} "
        "runs\n",
        spec::rule_name(found.divergence.rule), found.divergence.called, found.first_case,
        grouped(found.times), found.shown, found.runs);
  }
  for (const auto& gone : result.vanished) {
    fmt::print(
        "VANISHED {}: {}, {}\n  {}\n  The device does not do it any more: take it out of "
        "{}, with its trace\n",
        gone.id, gone.rule, gone.kind, gone.why, result.known_file);
  }
}

/// Those that are broken or undetermined; with -v why others are open; each with --rules.
void print_conform_rules(const ConformResult& result, const ConformCommand& options) {
  const RuleTotals sum = totals(result.rules);
  const auto is_told = [&](RuleVerdict verdict) {
    switch (verdict) {
      case RuleVerdict::broken:
      case RuleVerdict::undetermined: return true;
      case RuleVerdict::not_exercised:
      case RuleVerdict::not_claimed: return options.verbose || options.all_rules;
      case RuleVerdict::holds: return options.all_rules;
    }
    return true;
  };
  const bool open = sum.not_exercised + sum.not_claimed != 0;
  fmt::print("rules: {} hold, {} broken, {} not exercised, {} undetermined, {} not claimed{}\n",
             sum.holds, sum.broken, sum.not_exercised, sum.undetermined, sum.not_claimed,
             open && !is_told(RuleVerdict::not_claimed) ? " (-v: why)" : "");
  for (const auto& rule : result.rules) {
    if (!is_told(rule.verdict)) continue;
    fmt::print("  {:<14} {:<24}", oracle::to_string(rule.verdict), spec::rule_name(rule.rule));
    if (rule.discriminating != 0) fmt::print(" kept {}", grouped(rule.discriminating));
    if (rule.broken != 0) fmt::print(" broken {}", grouped(rule.broken));
    fmt::print("{}{}\n", rule.why.empty() ? "" : " ", rule.why);
  }
}

/// What the device claims that it did not when its file of known divergences was written.
void print_claims(const ConformResult& result) {
  if (result.changed_registers.empty()) return;
  fmt::print("the ID registers are other ones than in {}: {}\n", result.known_file,
             fmt::join(result.changed_registers, ", "));
  const auto print = [](const char* what, const std::vector<spec::Rule>& rules) {
    if (rules.empty()) return;
    std::vector<std::string_view> names;
    for (const spec::Rule rule : rules) names.push_back(spec::rule_name(rule));
    fmt::print("  {}: {}\n", what, fmt::join(names, ", "));
  };
  print("rules that became claimed", result.claimed_since);
  print("rules that are claimed no more", result.claimed_no_more);
}

std::string word_of(const oracle::RunEnd& end, u64 known) {
  switch (end.verdict()) {
    case Verdict::held: return known == 0 ? "holds" : "as known";
    case Verdict::violated: return "DIFFERS";
    default: return verdict_word(end);
  }
}

u64 known_in(const ConformResult& result) {
  const auto is_known = [](const Found& found) { return !found.known_id.empty(); };
  return static_cast<u64>(std::ranges::count_if(result.divergences, is_known));
}

std::string verdict_line(const ConformResult& result, const oracle::RunEnd& end) {
  const u64 known = known_in(result);
  const RuleTotals rules = totals(result.rules);
  return fmt::format(
      "device {} {} against spec: {}, {} known divergences, {} new, {} vanished, {}{} cases, "
      "{} accesses, rules {} of {} hold",
      result.device, result.version, word_of(end, known), known, result.divergences.size() - known,
      result.vanished.size(),
      result.not_reproduced.empty()
          ? ""
          : fmt::format("{} not reproduced, ", result.not_reproduced.size()),
      grouped(oracle::cases_of(result)), grouped(result.accesses), rules.holds, rules.claimed());
}

void print_text(const ConformCommand& options, const ConformResult& result,
                const oracle::RunEnd& end) {
  fmt::print("{}: {} new, {} known, {} vanished\n", word_of(end, known_in(result)),
             result.divergences.size() - known_in(result), known_in(result),
             result.vanished.size());
  print_causes(causes_of(result), options.verbose);
  print_divergences(result, options);
  print_conform_rules(result, options);
  print_claims(result);
  fmt::print(
      "caches are followed: {} accesses had an outcome that memory did not explain any "
      "more and a legal cache did; {} had several allowed outcomes\n",
      grouped(result.stale_allowed), grouped(result.open));
  fmt::print(
      "{} accesses to which anything may happen, {} undetermined; {} event records; the "
      "device died {} times\n",
      grouped(result.any), grouped(result.undetermined), grouped(result.records),
      grouped(result.deaths));
  if (result.gave_up != 0)
    fmt::print("GAVE UP in {} cases: a bound of the specification was hit; {}\n",
               grouped(result.gave_up), result.bound_at);
  const char* stopped = result.stopped ? "; stopped" : "";
  if (result.given != 0) {
    fmt::print("{} cases of driver {} from seed {}; {:.1f} s{}\n", grouped(result.given),
               options.driver, result.seed, result.seconds, stopped);
  } else {
    fmt::print("{} directed cases, {} random ones from seed {}; {:.1f} s{}\n",
               grouped(result.directed), grouped(result.random), result.seed, result.seconds,
               stopped);
  }
  const bool has_random = options.only.empty() && options.replay.empty() && !options.one_case;
  if (has_random && !result.stopped && result.given == 0 && result.random == 0) {
    fmt::print(
        "no random case was run: the directed ones took the time (--time {}, or --cases N)\n",
        options.seconds);
  }
  if (result.stopped && result.random != 0) {
    fmt::print("to go on: --seed {} --from {}\n", result.seed, result.from + result.random);
  }
  if (end.verdict() == Verdict::violated && !options.out.empty()) {
    fmt::print(
        "the file of known divergences as it would be now: {}/{}-*.json; explain what is "
        "new, then give it by --known, the folder of its traces beside it (docs/conform.md)\n",
        options.out, result.device);
  } else if (end.verdict() == Verdict::violated) {
    fmt::print(
        "to get their traces and the file as it would be now: --out DIR "
        "(docs/conform.md)\n");
  }
  fmt::print("{}\n", verdict_line(result, end));
}

/// A profile, of a device of these ID registers.
Expected<oracle::DeviceStatement> stated_by(const std::string& profile,
                                            const spec::IdRegisters& id) {
  oracle::Machine machine = oracle::default_machine();
  const spec::Capabilities of_device = spec::parse_capabilities(id);
  machine.caps = of_device;
  if (auto changed = oracle::change_machine(machine, profile); !changed) {
    return std::unexpected(changed.error());
  }
  const bool same = machine.caps == of_device;
  return oracle::DeviceStatement{.profile = machine.profile,
                                 .id = same ? id : spec::make_id_registers(machine.caps)};
}

oracle::Stating stating(const std::string& profile) {
  if (profile.empty()) return {};
  return [profile](const spec::IdRegisters& id) { return stated_by(profile, id); };
}

int list_cases(const ConformCommand& options) {
  const auto device = oracle::open_device(options.device, options.seed.value_or(1),
                                          options.hang_seconds, stating(options.profile));
  if (!device) {
    return ended_by(device.error(), report_of("conform", options.device, {}), options.reports,
                    options.format);
  }
  for (const std::string& name : oracle::case_names(**device)) fmt::print("{}\n", name);
  return 0;
}

void print_driver(const oracle::DriverCases& driver) {
  for (const oracle::DriverFault& fault : driver.faults) {
    const spec::RuleInfo& rule = spec::rule_info(fault.found.rule);
    fmt::print(
        "DRIVER {} ({}), at fault: driver\n  {}\n  rule: {} [{}]\n  kind: {}\n"
        "  first in: {}; {} times; its case ends before that\n",
        rule.name, spec::family_name(rule.family), fault.found.statement, rule.text, rule.section,
        oracle::text_of(fault.found.kind), fault.first, grouped(fault.times));
  }
  fmt::print("{} sequences of the driver, {} calls\n", grouped(driver.sequences),
             grouped(driver.calls));
}

int report_run(const ConformCommand& options, const ConformResult& result,
               const oracle::DriverCases* driver, const oracle::RunEnd& end) {
  const int status = finish("conform", end);
  oracle::Report report = report_of(result, end);
  report.object = object_of(options.device);
  if (driver != nullptr) {
    for (const oracle::DriverFault& fault : driver->faults) {
      report.findings.push_back(oracle::violation_of(fault));
    }
  }
  if (options.format == Format::text) {
    if (driver != nullptr) print_driver(*driver);
    print_text(options, result, end);
  } else {
    print_document(report, options.format);
  }
  return write_reports(report, options.reports, status);
}

int run_with_driver(const ConformCommand& options, oracle::ConformOptions settings,
                    ProgressLine& progress) {
  constexpr u64 cases_default = 100;
  oracle::DriverRun run{.driver = options.driver,
                        .seed = settings.seed,
                        .sequences = options.cases == 0 ? cases_default : options.cases,
                        .stop = interrupted};
  settings.given_as = fmt::format("--driver {} --cases {}", quoted(options.driver), run.sequences);
  if (!options.corpus.empty()) settings.given_as += " --corpus " + quoted(options.corpus);
  auto corpus = read_corpus("conform", options.corpus);
  if (corpus) run.given = std::move(*corpus);
  auto pair = corpus ? oracle::run_pair(run, settings)
                     : Expected<oracle::PairResult>(std::unexpected(corpus.error()));
  progress.clear();
  if (!pair) {
    return ended_by(pair.error(), report_of("conform", options.device, {}), options.reports,
                    options.format);
  }
  return report_run(options, pair->device, &pair->driver, oracle::end_of(*pair));
}

}  // namespace

int run_conform(const ConformCommand& options) {
  if (options.list) return list_cases(options);
  ProgressLine progress;
  oracle::ConformOptions settings;
  settings.device = options.device;
  settings.seed = options.seed ? *options.seed : drawn_seed();
  settings.seconds = options.seconds;
  settings.cases = options.cases;
  settings.known = options.known;
  settings.use_known = !options.no_known;
  settings.report = options.out;
  settings.replay = options.replay;
  settings.only = options.only;
  settings.one_case = options.one_case;
  settings.from = options.from;
  settings.jobs = options.jobs;
  settings.hang_seconds = options.hang_seconds;
  settings.states = stating(options.profile);
  settings.stop = interrupted;
  settings.progress = [&](const oracle::ConformProgress& now) {
    if (!progress.due()) return;
    progress.show(fmt::format("{} cases, {} accesses, {} divergences, {}", grouped(now.cases),
                              grouped(now.accesses), now.divergences, clock_text(now.seconds)));
  };
  if (options.format == Format::text) {
    fmt::print("conform of device {}, seed {}\n", options.device, settings.seed);
    std::fflush(stdout);
  }
  catch_interrupts();
  if (!options.driver.empty()) return run_with_driver(options, std::move(settings), progress);
  const auto result = oracle::run_conform(settings);
  progress.clear();
  if (!result) {
    return ended_by(result.error(), report_of("conform", options.device, {}), options.reports,
                    options.format);
  }
  return report_run(options, *result, nullptr, oracle::end_of(*result));
}

}  // namespace iommucheck::cli
