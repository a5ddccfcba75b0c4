// SPDX-License-Identifier: MIT
#include "conform/case_worker.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "conform/afresh.h"
#include "conform/device_finding.h"
#include "conform/dut/last_words.h"
#include "spec/rules/records.h"

namespace iommucheck::oracle {

namespace {

using Clock = std::chrono::steady_clock;

/// With so many memories of before an access the device is asked what it does with it.
constexpr std::size_t earlier_max = 64;

/// What the device printed last stands in further lines: of that only the place of an assertion is
/// part of the kind, so that no death hides another one.
Divergence death_of(const Run& run) {
  const std::size_t end = run.death.find('\n');
  const std::string how = run.death.substr(0, end);
  std::string text = "the device died: " + how;
  const std::string printed = end == std::string::npos ? "" : run.death.substr(end + 1);
  if (!printed.empty()) text += "; it printed: " + printed;
  std::string kind = without_numbers(how);
  if (const std::string place = source_place(printed); !place.empty()) kind += " at " + place;
  Divergence death(device_finding(spec::rule::DEVICE_SURVIVES, std::move(kind), std::move(text)),
                   run.trace.events.size() - 1);
  death.found_as = {death.rule, death.called};
  return death;
}

}  // namespace

bool CaseResult::decided() const {
  const DeviceRules::Numbers& numbers = tally.numbers;
  return !died && tally.gave_up == 0 && numbers.undetermined == 0 &&
         (numbers.accesses == 0 || numbers.any < numbers.accesses);
}

std::optional<Run> CaseWorker::once_more(const Case& what) {
  if (lost_) return std::nullopt;
  const Clock::time_point before = Clock::now();
  auto run = run_case(device_, what);
  if (!run) {
    lost_ = run.error();
    return std::nullopt;
  }
  if (run->death.empty()) return std::move(*run);
  dying_seconds_ += std::chrono::duration<double>(Clock::now() - before).count();
  deaths_.push_back({what, death_of(*run)});
  return std::nullopt;
}

/// A record does not say whose it is. That of the last access is the one more that a case has which
/// ends with it.
bool CaseWorker::has_same_record(const Question& of, std::size_t step, const trace::Trace& alone) {
  const auto with = once_more(first_steps(of.what, step + 1));
  const auto without = once_more(first_steps(of.what, step));
  return with && without &&
         types_beyond(record_types(with->trace), record_types(without->trace)) ==
             record_types(alone);
}

/// The case once more; nullopt where its last access is not answered as the one in question was.
std::optional<CaseWorker::Again> CaseWorker::ask_again(const Question& of, const Divergence& found,
                                                       const Case& what) {
  auto run = once_more(what);
  if (!run) return std::nullopt;
  const std::size_t at = last_access(run->trace);
  if (at == run->trace.events.size() ||
      run->trace.events[at].payload != of.run.trace.events[found.event].payload) {
    return std::nullopt;
  }
  if (!second_) second_.emplace(device_.identity());
  std::vector<Divergence> wrong = second_->judge(run->trace, {.plain = true});
  return Again{.trace = std::move(run->trace), .at = at, .wrong = std::move(wrong)};
}

/// What is wrong with the access where others came before, and nothing has changed since they did:
/// it does the same there.
Afresh CaseWorker::ask_in_company(const Question& of, const Divergence& found, std::size_t memory) {
  const std::size_t step = of.run.step_of[found.event];
  auto again = ask_again(of, found, in_company(of.what, {step, memory}));
  if (!again) return {};
  auto& [trace, at, wrong] = *again;
  const auto same = [&](const Divergence& one) { return one.same_finding(found); };
  if (std::ranges::any_of(wrong, same)) return {.answer = Afresh::Answer::wrong};
  const auto its = [access = at](const Divergence& one) {
    return one.access && one.event == access;
  };
  const auto instead = std::ranges::find_if(wrong, its);
  if (instead == wrong.end()) return {};
  instead->event = found.event;
  return {.answer = Afresh::Answer::wrong, .found = std::move(*instead)};
}

/// The latest memory with which the answer is the same says what it comes of: alone, or behind
/// other accesses.
Afresh CaseWorker::ask_earlier(const Question& of, const Divergence& found) {
  const std::size_t step = of.run.step_of[found.event];
  if (Afresh now = ask_in_company(of, found, step); now.answer != Afresh::Answer::differs) {
    return now;
  }
  for (const std::size_t memory : earlier_memories(of.what, step, earlier_max)) {
    Afresh then = ask_afresh(of, found, memory);
    if (then.answer != Afresh::Answer::differs) return then;
    then = ask_in_company(of, found, memory);
    if (then.answer != Afresh::Answer::differs) return then;
  }
  return {};
}

Afresh CaseWorker::ask_afresh(const Question& of, const Divergence& found, std::size_t memory) {
  const std::size_t step = of.run.step_of[found.event];
  const AfreshAt where{step, std::min(memory, step)};
  auto again = ask_again(of, found, afresh(of.what, where));
  if (!again) return {};
  auto& [trace, at, wrong] = *again;
  const auto same = [&](const Divergence& one) { return one.same_finding(found); };
  if (std::ranges::any_of(wrong, same)) return {.answer = Afresh::Answer::wrong};
  // Which of the records was taken to be that of a terminated access may be the mistake.
  const auto* dma = std::get_if<trace::Dma>(&trace.events[at].payload);
  const bool terminated = dma != nullptr && (dma->result == trace::DmaResult::abort ||
                                             dma->result == trace::DmaResult::stall);
  if (terminated && !has_same_record(of, step, trace)) return {};
  const auto of_access = [](const Divergence& one) { return one.access; };
  const auto of_record = [](const Divergence& one) {
    return spec::rule_info(one.rule).family == spec::Family::event;
  };
  auto first = std::ranges::find_if(wrong, of_access);
  if (first == wrong.end()) first = std::ranges::find_if(wrong, of_record);
  if (first == wrong.end()) {
    return {.answer = Afresh::Answer::right};
  }
  first->event = found.event;
  first->afresh_of = where;
  return {.answer = Afresh::Answer::wrong, .found = std::move(*first)};
}

bool CaseWorker::shows_emptied(const Question& of, const Divergence& found, Cached cached) {
  const std::size_t step = of.run.step_of[found.event];
  const auto again = ask_again(of, found, emptied(of.what, step, cached, device_.identity()));
  return again && std::ranges::any_of(
                      again->wrong, [&](const Divergence& one) { return one.same_finding(found); });
}

Expected<CaseResult> CaseWorker::run(Case what, bool count, Run* kept, CaseJudge::Ask ask) {
  const Clock::time_point before = Clock::now();
  auto run = run_case(device_, what);
  if (!run) return std::unexpected(run.error());
  CaseResult result;
  result.what = std::move(what);
  dying_seconds_ = 0;
  const Question question{result.what, *run};
  ask.afresh = [&](const Divergence& found) {
    return ask_afresh(question, found, ~std::size_t{0});
  };
  ask.earlier = [&](const Divergence& found) { return ask_earlier(question, found); };
  ask.emptied = [&](const Divergence& found, Cached cached) {
    return shows_emptied(question, found, cached);
  };
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
  }
  if (lost_) return std::unexpected(*lost_);
  result.dying_seconds += dying_seconds_;
  result.further_deaths = std::exchange(deaths_, {});
  result.tally = judge_.take_tally();
  if (kept != nullptr) *kept = std::move(*run);
  return result;
}

}  // namespace iommucheck::oracle
