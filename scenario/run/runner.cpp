// SPDX-License-Identifier: MIT
#include "scenario/run/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "scenario/format/print.h"
#include "scenario/run/needs.h"
#include "scenario/run/own_tables.h"
#include "scenario/run/story.h"

namespace iommucheck::oracle::stories {
namespace {

constexpr u32 races_max = 10;  // each doubles the orders

u32 races_of(const scenario::Scenario& scenario) {
  const auto count = std::ranges::count_if(scenario.steps, [](const scenario::Step& step) {
    return std::holds_alternative<scenario::Race>(step.what);
  });
  return static_cast<u32>(count);
}

/// Something is called, changed or looked at; else nothing could have gone wrong.
bool asks_something(const scenario::Scenario& scenario) {
  return std::ranges::any_of(scenario.steps, [](const scenario::Step& step) {
    return !std::holds_alternative<scenario::Declare>(step.what);
  });
}

/// Why a scenario in which nothing went wrong has shown nothing; empty: it has.
std::string why_it_shows_nothing(const scenario::Scenario& scenario) {
  if (!asks_something(scenario)) return "it calls nothing and looks at nothing";
  if (races_of(scenario) > races_max) {
    return fmt::format("it has {} races, and only the orders of the first {} were tried",
                       races_of(scenario), races_max);
  }
  return {};
}

/// The order that is run, and what all of them have in common.
struct Order {
  u32 number = 0;
  bool is_last = false;
  ProbeWidths& widths;
};

/// False: it is over.
bool run_once(const scenario::Scenario& scenario, const World& world,
              const ScenarioOptions& options, const Order& order, ScenarioResult& result) {
  const bool second = world.second_backend && options.make_second;
  const std::unique_ptr<Subject> subject = second ? options.make_second() : options.make_subject();
  result.needs = needs_of(scenario, world, *subject);
  if (!result.needs.empty()) {
    result.status = ScenarioResult::Status::needs;
    return false;
  }
  const auto failed = [&](StepFailure failure) {
    result.status = ScenarioResult::Status::failed;
    result.failure = std::move(failure);
    return false;
  };
  if (const std::string why = subject->boot(world); !why.empty()) {
    return failed({scenario.place, "(boot)", "the driver to come up", why, {}});
  }
  if (std::string lacks = subject->lacks(); !lacks.empty()) {
    result.needs = {std::move(lacks)};
    result.status = ScenarioResult::Status::needs;
    return false;
  }
  ++result.runs;
  subject->interface().log_answers(options.log);
  Story story(scenario, world, *subject, order.number, options.exact_faults, order.widths);
  story.run(options.before_step);
  result.blamed.insert(story.blamed().begin(), story.blamed().end());
  if (!story.needs().empty()) {
    result.needs = story.needs();
    result.status = ScenarioResult::Status::needs;
    return false;
  }
  if (const std::string why = subject->no_verdict(); !story.failure() && !why.empty()) {
    result.bound = why;  // nobody's fault
    result.status = ScenarioResult::Status::undecided;
    return false;
  }
  const auto too_wide = order.is_last && !story.failure() ? order.widths.too_wide() : std::nullopt;
  if (too_wide) {
    return failed(
        {too_wide->step->place,
         scenario::print(*too_wide->step),
         story.text_of(too_wide->wanted),
         story.text_of(too_wide->promised),
         {"the set is too wide: INTERFACE promises " + story.text_of(too_wide->promised)}});
  }
  if (!story.failure()) {
    if (!options.trace_all || options.trace.empty() || !subject->has_traces()) return true;
    const std::string why = subject->write_trace(options.trace);
    return why.empty() || failed({scenario.place, "(trace)", "a trace", why, {}});
  }
  StepFailure failure = *story.failure();
  if (races_of(scenario) > 0) {
    failure.evidence.push_back(fmt::format("in order {} of the races", order.number));
  }
  if (!options.trace.empty()) {
    const std::string why = subject->write_trace(options.trace);
    failure.evidence.push_back(why.empty() ? "trace: " + options.trace : "no trace: " + why);
  }
  return failed(std::move(failure));
}

ScenarioResult run_in_its_world(const scenario::Scenario& scenario,
                                const ScenarioOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  ScenarioResult result;
  const World world = world_of(scenario);
  if (options.log != nullptr) options.log->story = scenario.id;
  const u32 orders = u32{1} << std::min(races_of(scenario), races_max);
  ProbeWidths widths;
  for (u32 number = 0; number < orders; ++number) {
    const Order order{.number = number, .is_last = number + 1 == orders, .widths = widths};
    if (!run_once(scenario, world, options, order, result)) break;
  }
  if (result.status == ScenarioResult::Status::passed) {
    result.bound = why_it_shows_nothing(scenario);
    if (!result.bound.empty()) result.status = ScenarioResult::Status::undecided;
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

/// What the story says is so with tables of each device as well.
bool is_of_either_form(const scenario::Scenario& with_own) {
  const ScenarioOptions options{.make_subject = make_model, .trace = {}};
  return run_in_its_world(with_own, options).status == ScenarioResult::Status::passed;
}

}  // namespace

ScenarioResult run_scenario(const scenario::Scenario& scenario, const ScenarioOptions& options) {
  ScenarioResult result = run_in_its_world(scenario, options);
  if (result.needs != std::vector<std::string>{"tables=per_domain"}) return result;
  const auto with_own = with_own_tables(scenario);
  if (!with_own || !is_of_either_form(*with_own)) return result;
  return run_in_its_world(*with_own, options);
}

}  // namespace iommucheck::oracle::stories
