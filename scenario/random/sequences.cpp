// SPDX-License-Identifier: MIT
#include "scenario/random/sequences.h"

#include <algorithm>

#include "base/clock.h"
#include "scenario/format/parser.h"
#include "scenario/random/shrink_lines.h"

namespace iommucheck::oracle::stories {
namespace {

using Status = ScenarioResult::Status;

/// Hangs take their time, each.
constexpr u32 hanging_runs = 30;

Expected<ScenarioResult> run_lines(const std::vector<std::string>& lines,
                                   const AloneOptions& subject) {
  const auto file = scenario::parse(text_of_lines(lines), "random.scenario");
  if (!file) return std::unexpected(file.error());
  return run_alone(file->scenarios.at(0), subject);
}

bool is_finding(const ScenarioResult& result) {
  return result.status == Status::failed && result.failure && result.failure->rule;
}

void add_finding(SequencesResult& all, SequenceFinding finding, const AloneOptions& subject,
                 const SequencesOptions& options) {
  const auto known = std::ranges::find(all.findings, finding.rule, &SequenceFinding::rule);
  if (known != all.findings.end()) {
    ++known->times;
    return;
  }
  const auto still_fails = [&](const std::vector<std::string>& lines) {
    const auto result = run_lines(lines, subject);
    if (!result || !is_finding(*result) || result->failure->rule != finding.rule) return false;
    finding.failure = *result->failure;
    return true;
  };
  const bool hangs = finding.rule == spec::Rule::HANG_RETURNS;
  finding.lines =
      shrink_lines(std::move(finding.lines), still_fails,
                   hangs ? std::min(hanging_runs, options.shrink_runs) : options.shrink_runs);
  finding.times = 1;
  all.findings.push_back(std::move(finding));
}

}  // namespace

Expected<SequencesResult> run_sequences(const AloneOptions& subject,
                                        const SequencesOptions& options) {
  const auto begin = Clock::now();
  SequencesResult all;
  while (options.runs == 0 || all.runs < options.runs) {
    if (subject.stop && subject.stop()) {
      all.stopped = true;
      break;
    }
    if (options.seconds > 0 && seconds_since(begin) >= options.seconds) {
      all.time_was_over = true;
      break;
    }
    const u64 number = options.from + all.runs;
    std::vector<std::string> lines = draw_lines(options.seed, number, options.draw);
    const auto result = run_lines(lines, subject);
    if (!result) {
      if (result.error().code != ErrorCode::unsupported) return std::unexpected(result.error());
      all.stopped = true;
      break;
    }
    ++all.runs;
    if (is_finding(*result)) {
      ++all.whole;
      add_finding(all,
                  {.rule = *result->failure->rule,
                   .sequence = number,
                   .lines = std::move(lines),
                   .failure = *result->failure},
                  subject, options);
    } else if (result->status == Status::passed) {
      ++all.whole;
    } else if (result->status == Status::failed) {
      ++all.cut_short;
    } else if (result->status == Status::undecided) {
      ++all.undecided;
    } else {
      for (const std::string& need : result->needs) {
        if (std::ranges::find(all.needs, need) == all.needs.end()) all.needs.push_back(need);
      }
    }
    if (options.progress) options.progress(all.runs, all.findings.size());
  }
  return all;
}

}  // namespace iommucheck::oracle::stories
