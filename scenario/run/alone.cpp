// SPDX-License-Identifier: MIT
#include "scenario/run/alone.h"

#include <fmt/format.h>

#include <charconv>

#include "process/isolate.h"
#include "scenario/run/driver_subject.h"
#include "spec/rules/interface.h"

namespace iommucheck::oracle::stories {
namespace {

// What is sent: texts behind one another, each with its length.
class Packed {
 public:
  Packed& add(std::string_view text) {
    text_ += fmt::format("{}:", text.size());
    text_ += text;
    return *this;
  }
  Packed& add(u64 number) { return add(std::to_string(number)); }
  Packed& add(const std::vector<std::string>& all) {
    add(u64{all.size()});
    for (const std::string& one : all) add(one);
    return *this;
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// Reads it. What was not written so (the process may have written anywhere) gives empty texts.
class Unpacked {
 public:
  explicit Unpacked(std::string_view text) : rest_(text) {}
  std::string text() {
    std::size_t size = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
    const auto at = static_cast<std::size_t>(end - rest_.data());
    if (error != std::errc{} || at >= rest_.size() || size > rest_.size() - at - 1) {
      ok_ = false;
      return {};
    }
    std::string text(rest_.substr(at + 1, size));
    rest_.remove_prefix(at + 1 + size);
    return text;
  }
  u64 number() {
    const std::string digits = text();
    u64 number = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return number;
  }
  std::vector<std::string> texts() {
    std::vector<std::string> all;
    for (u64 count = number(); count > 0 && ok_; --count) all.push_back(text());
    return all;
  }
  [[nodiscard]] bool ok() const { return ok_; }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

std::string packed(const ScenarioResult& result) {
  Packed all;
  all.add(static_cast<u64>(result.status))
      .add(result.needs)
      .add(result.bound)
      .add(u64{result.runs});
  all.add(result.failure ? 1 : 0);
  if (const auto& failure = result.failure) {
    all.add(u64{failure->place.line}).add(u64{failure->place.column}).add(failure->step);
    all.add(failure->expected).add(failure->observed).add(failure->evidence);
    all.add(failure->rule ? u64{1} + static_cast<u64>(*failure->rule) : u64{0});
  }
  return all.text();
}

std::optional<ScenarioResult> unpacked(std::string_view text) {
  Unpacked all(text);
  ScenarioResult result;
  const u64 status = all.number();
  if (status > static_cast<u64>(ScenarioResult::Status::undecided)) return std::nullopt;
  result.status = static_cast<ScenarioResult::Status>(status);
  result.needs = all.texts();
  result.bound = all.text();
  result.runs = static_cast<u32>(all.number());
  if (all.number() != 0) {
    StepFailure failure;
    failure.place.line = static_cast<u32>(all.number());
    failure.place.column = static_cast<u32>(all.number());
    failure.step = all.text();
    failure.expected = all.text();
    failure.observed = all.text();
    failure.evidence = all.texts();
    const u64 rule = all.number();
    if (rule != 0) {
      failure.rule = spec::rule_of(rule - 1);
      if (!failure.rule) return std::nullopt;
    }
    result.failure = std::move(failure);
  }
  if (!all.ok()) return std::nullopt;
  return result;
}

ScenarioResult broken(const scenario::Scenario& scenario, spec::Rule rule,
                      const std::string& observed, const Outcome& outcome) {
  ScenarioResult result;
  result.status = ScenarioResult::Status::failed;
  result.runs = 1;
  result.seconds = outcome.seconds;
  StepFailure failure{scenario.place,
                      "(in a process of its own)",
                      "the scenario to end",
                      observed,
                      {fmt::format("{}: {}", spec::rule_name(rule), observed)}};
  failure.rule = rule;
  if (!outcome.output.empty()) failure.evidence.push_back("it printed: " + outcome.output);
  result.failure = std::move(failure);
  return result;
}

constexpr int no_subject = 1;

}  // namespace

Expected<Subjects> subjects_of_backend(const std::string& backend) {
  auto named = load_named_backend(backend);
  if (!named) return std::unexpected(std::move(named.error()));
  Subjects subjects{.make = {}, .code = named->code, .path = named->path};
  subjects.make = [named = std::move(*named)] { return make_backend_subject(named); };
  return subjects;
}

Expected<ScenarioResult> run_alone(const scenario::Scenario& scenario,
                                   const AloneOptions& options) {
  auto report = SharedReport::create();
  if (!report) return std::unexpected(report.error());
  const auto work = [&]() -> int {
    const auto subjects = options.subjects();
    if (!subjects) {
      report->add_finding(subjects.error().message);
      return no_subject;
    }
    if (subjects->code != nullptr) report->driver_loaded(subjects->code, subjects->path);
    report->add_finding(packed(run_scenario(scenario, {.make_subject = subjects->make,
                                                       .trace = options.trace,
                                                       .trace_all = options.trace_all,
                                                       .before_step = [&] { report->tick(); }})));
    return 0;
  };
  const auto outcome =
      run_isolated(*report, work, {.hang_seconds = options.hang_seconds, .stop = options.stop});
  if (!outcome) return std::unexpected(outcome.error());
  const std::vector<std::string> sent = report->findings();
  switch (outcome->ended) {
    case Ended::stopped: return fail(ErrorCode::unsupported, "stopped");
    case Ended::timed_out:
      return broken(scenario, spec::rule::HANG_RETURNS, outcome->describe(), *outcome);
    case Ended::crashed:
      if (outcome->party == Party::outside) {
        return fail(ErrorCode::environment, "its process " + outcome->describe());
      }
      return broken(scenario, spec::rule::CRASH_NEVER, outcome->describe(), *outcome);
    case Ended::returned: break;
  }
  if (outcome->result == no_subject) {
    return fail(ErrorCode::bad_input, sent.empty() ? "it cannot be loaded" : sent.front());
  }
  auto result = sent.empty() ? std::nullopt : unpacked(sent.front());
  if (!result) {
    return broken(scenario, spec::rule::CRASH_NEVER, "its process destroyed its own result",
                  *outcome);
  }
  result->seconds = outcome->seconds;
  return *result;
}

}  // namespace iommucheck::oracle::stories
