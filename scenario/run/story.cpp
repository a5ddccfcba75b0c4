// SPDX-License-Identifier: MIT
#include "scenario/run/story.h"

#include <fmt/format.h>

#include "scenario/format/print.h"

namespace iommucheck::oracle::stories {

Story::Story(const scenario::Scenario& scenario, const World& world, Subject& subject, u32 orders,
             bool exact_faults, ProbeWidths& widths)
    : scenario_(scenario),
      world_(world),
      subject_(subject),
      names_(world, subject.exact_pasids()),
      orders_(orders),
      exact_faults_(exact_faults),
      widths_(widths) {}

void Story::run(const std::function<void()>& before_step) {
  for (const std::string& name : world_.processes) {
    names_.set_process(name, subject_.create_process());
    thread_counts_[name] = 1;
  }
  for (const scenario::Step& step : scenario_.steps) {
    if (before_step) before_step();
    run_step(step);
    if (stopped()) return;
  }
  subject_.finish();
  look_for_troubles();
}

void Story::run_step(const scenario::Step& step) {
  current_ = &step;
  std::visit([&](const auto& what) { this->step(what); }, step.what);
  subject_.step_ends();
  if (!stopped()) look_for_troubles();
}

void Story::differ(std::string expected, std::string observed) {
  if (failure_) return;
  failure_ = StepFailure{
      current_->place, scenario::print(*current_), std::move(expected), std::move(observed), {}};
  for (const Trouble& trouble : subject_.take_troubles()) {
    failure_->evidence.push_back(
        fmt::format("{}: {}", spec::rule_info(trouble.rule).name, trouble.text));
    if (trouble.keeper != spec::Keeper::caller && !failure_->rule) failure_->rule = trouble.rule;
  }
}

/// What the driver broke is a failure wherever it is found; what a caller did is what `blame` asks.
void Story::look_for_troubles() {
  for (const Trouble& trouble : subject_.take_troubles()) {
    const spec::RuleInfo& info = spec::rule_info(trouble.rule);
    if (trouble.keeper == spec::Keeper::caller) {
      troubles_.push_back(trouble);
      continue;
    }
    differ("no rule to be broken", fmt::format("{} is broken", info.name));
    failure_->evidence.push_back(fmt::format("{}: {}", info.name, trouble.text));
    if (!failure_->rule) failure_->rule = trouble.rule;
  }
}

Story::Thread& Story::thread_of(const std::string& name) {
  const auto [at, made] = threads_.try_emplace(name);
  if (made) at->second.number = static_cast<u32>(threads_.size());
  return at->second;
}

}  // namespace iommucheck::oracle::stories
