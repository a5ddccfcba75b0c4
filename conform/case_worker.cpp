// SPDX-License-Identifier: MIT
#include "conform/case_worker.h"

#include <chrono>
#include <utility>

namespace iommucheck::oracle {

namespace {

using Clock = std::chrono::steady_clock;

/// What the device printed last stands in further lines: that is no part of the kind.
Divergence death_of(const Run& run) {
  const std::size_t end = run.death.find('\n');
  const std::string how = run.death.substr(0, end);
  std::string text = "the device died: " + how;
  if (end != std::string::npos) text += "; it printed: " + run.death.substr(end + 1);
  Finding finding = finding_of(spec::Rule::DEVICE_SURVIVES, text);
  finding.kind = kind_of(how);
  return {.rule = spec::Rule::DEVICE_SURVIVES,
          .kind = finding.kind,
          .text = std::move(text),
          .event = run.trace.events.size() - 1,
          .finding = std::move(finding)};
}

}  // namespace

bool CaseResult::decided() const {
  const DeviceRules::Numbers& numbers = tally.numbers;
  return !died && tally.gave_up == 0 && numbers.undetermined == 0 &&
         (numbers.accesses == 0 || numbers.any < numbers.accesses);
}

Expected<CaseResult> CaseWorker::run(Case what, bool count, Run* kept, const CaseJudge::Ask& ask) {
  const Clock::time_point before = Clock::now();
  auto run = run_case(device_, what);
  if (!run) return std::unexpected(run.error());
  CaseResult result;
  result.what = std::move(what);
  if (run->death.empty()) {
    result.found = judge_.judge(run->trace, ask);
    if (count && result.found.empty()) judge_.count_invalidations(run->trace);
  } else {
    result.died = true;
    result.dying_seconds = std::chrono::duration<double>(Clock::now() - before).count();
    trace::Trace answered = run->trace;
    answered.events.resize(run->answered);
    result.found = judge_.judge(answered, ask);
    result.found.push_back(death_of(*run));
    result.found.back().plain_kind = result.found.back().kind;
  }
  result.tally = judge_.take_tally();
  if (kept != nullptr) *kept = std::move(*run);
  return result;
}

}  // namespace iommucheck::oracle
