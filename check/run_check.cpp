// SPDX-License-Identifier: MIT
#include "check/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/clock.h"
#include "check/campaign.h"
#include "check/check_plugin.h"
#include "check/finding_files.h"
#include "check/given.h"
#include "check/parts.h"
#include "host/store_count.h"
#include "host/untold_stores.h"
#include "impl/driver.h"
#include "process/source_lines.h"

namespace iommucheck::oracle {

namespace {

class InProcess final : public Campaign::Owner {
 public:
  InProcess(const CheckOptions& options, Clock::time_point started, CheckResult& result)
      : options_(options), started_(started), result_(result) {}

  bool stop() override { return options_.stop && options_.stop(); }
  void begins(u64 /*number*/, const Sequence& /*sequence*/, Campaign::Phase /*phase*/) override {}
  void progress(const Tally& tally, u64 /*next*/) override {
    if (!options_.progress) return;
    CheckProgress now{.sequences = tally.sequences,
                      .calls = tally.calls,
                      .outcomes = tally.outcomes,
                      .findings = result_.findings.size()};
    now.seconds = seconds_since(started_);
    now.fraction_done = fraction_done(options_, now.sequences, now.seconds);
    options_.progress(now);
  }
  void found(Violation violation) override {
    if (options_.found) options_.found(violation);
    result_.findings.push_back(std::move(violation));
  }
  void gave_up(GaveUp gave_up) override { result_.gave_up.push_back(std::move(gave_up)); }

 private:
  const CheckOptions& options_;
  Clock::time_point started_;
  CheckResult& result_;
};

Expected<Part> check_builtin(const CheckOptions& options) {
  Part part;
  CheckResult& result = part.result;
  const iommucheck_driver& driver = *impl::builtin_driver(options.driver);
  Campaign::Settings settings;
  settings.options = &options;
  settings.started = Clock::now();
  settings.from = settings.seen_from = options.first_sequence;
  std::optional<FirstSeen> seen;
  if (is_noted(options)) {
    auto created = FirstSeen::create();
    if (!created) return std::unexpected(std::move(created.error()));
    settings.seen = &seen.emplace(std::move(*created));
  }
  InProcess owner(options, settings.started, result);
  Campaign campaign(driver, nullptr, settings, owner);
  auto booted = campaign.boot();
  const auto stopped = booted ? campaign.run() : Expected<bool>(false);
  const Error* error = !booted ? &booted.error() : !stopped ? &stopped.error() : nullptr;
  if (error != nullptr && result.findings.empty()) return std::unexpected(*error);
  if (error != nullptr) result.ended_early = error->message;  // what was found is not lost
  part.tally = campaign.tally();
  part.next = campaign.next();
  if (seen) part.novel = seen->pairs(part.next - options.first_sequence);
  result.driver_name = options.driver;
  result.stopped = stopped && *stopped;
  return part;
}

/// Empty if the options make sense.
std::string objection(const CheckOptions& options) {
  if (options.driver.empty())
    return "no driver is named; it is \"builtin\", \"builtin-per-device\" or a plug-in's path";
  const bool given = options.given && !options.given->empty();
  if (options.sequences == 0 && !(options.seconds > 0) && !given) {
    return "neither a number of sequences nor a time is given; the run would not end";
  }
  if (!std::isfinite(options.seconds) || options.seconds < 0) {
    return "the time is not a number of seconds from 0 on";
  }
  if (options.operations_max < 1 || options.operations_max > fuzz::operations_max) {
    return fmt::format("{} operations a sequence; it has to be 1 to {}", options.operations_max,
                       fuzz::operations_max);
  }
  const bool builtin = impl::builtin_driver(options.driver) != nullptr;
  if (!options.backend.empty()) {
    if (!builtin) {
      return "a backend is driven by the core: the driver is \"builtin\" or "
             "\"builtin-per-device\", by its form of tables";
    }
    if (options.precision == Precision::scan) return "--precision scan is for plug-ins";
  }
  if (builtin && options.precision == Precision::scan) {
    return "the built-in driver says each store; --precision scan is for plug-ins";
  }
  if (builtin && options.isolation == Isolation::each_case && options.backend.empty()) {
    return "the built-in driver keeps its state in the arena; --isolate case is for plug-ins";
  }
  if (options.jobs == 0 || options.jobs > CheckOptions::jobs_max) {
    return fmt::format("{} jobs; it has to be 1 to {}", options.jobs, CheckOptions::jobs_max);
  }
  if (options.known && options.known->entries.size() > CheckOptions::known_max) {
    return fmt::format("{}: {} entries; there may be {} at most", options.known->path,
                       options.known->entries.size(), CheckOptions::known_max);
  }
  if (options.findings_max == 0) return "0 findings wanted; it has to be 1 at least";
  if (!(options.hang_seconds > 0)) return "no time until a hang; it has to be more than 0 seconds";
  return {};
}

}  // namespace

namespace {

/// A few sequences once more, with the processor as a witness: where the stores stand.
std::string places_of_untold(CheckOptions options) {
  auto count = StoreCount::create();
  if (!count) return {};
  options.store_count = *count;
  options.found = nullptr;
  options.progress = nullptr;
  options.given = nullptr;
  options.of_given = false;
  options.corpus.clear();
  options.out_directory.clear();
  options.seconds = 0;
  options.sequences = 8;
  options.jobs = 1;
  (void)check_plugin(options);
  std::string text;
  for (const StoreCount::Place& place : (*count)->totals().places) {
    text += place.in_driver ? ", at " + source_line_in(options.driver, place.pc)
                            : ", in a library that the driver called";
  }
  return text;
}

/// What is made of stores that nobody told is no finding: their order is not known.
Expected<CheckResult> check_hooked(const CheckOptions& options) {
  untold_stores::begin();
  auto result = check_plugin(options);
  const u64 words = untold_stores::words();
  if (!result || words == 0) return result;
  result->not_looked_at.push_back(fmt::format(
      "{} stores were not told{}: not all of the driver was built by iommucheck cc, and what comes "
      "of them is not judged",
      words, options.store_count ? "" : places_of_untold(options)));
  if (!result->findings.empty()) return result;
  for (RuleCount& count : result->rules) {
    if (count.verdict == RuleVerdict::broken) count.verdict = RuleVerdict::undetermined;
  }
  return result;
}

}  // namespace

Expected<CheckResult> run_check(const CheckOptions& options) {
  if (const std::string what = objection(options); !what.empty()) {
    return fail(ErrorCode::bad_input, what);
  }
  // At the first finding it would be too late to learn that nothing can be written.
  if (!options.out_directory.empty()) {
    if (auto tried = try_folder(options.out_directory); !tried) {
      return std::unexpected(std::move(tried.error()));
    }
  }
  if (!options.backend.empty() || impl::builtin_driver(options.driver) == nullptr) {
    return check_hooked(options);
  }
  if (auto fits = known_is_of(options, options.driver); !fits) {
    return std::unexpected(std::move(fits.error()));
  }
  return run_parts(options, check_builtin);
}

}  // namespace iommucheck::oracle
