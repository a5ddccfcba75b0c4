// SPDX-License-Identifier: MIT
#include "check/check_worker.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "check/alone.h"
#include "check/campaign.h"
#include "check/worker_report.h"
#include "operations/operation.h"

namespace iommucheck::oracle {

namespace {

std::vector<u64> words_of_operations(const std::vector<fuzz::Operation>& operations) {
  std::vector<u64> words;
  for (const fuzz::Operation& operation : operations) words.push_back(fuzz::encode_word(operation));
  return words;
}

class Worker final : public Campaign::Owner {
 public:
  explicit Worker(SharedReport& report) : report_(report) {}

  bool stop() override { return report_.stop_requested(); }
  void begins(u64 number, const Sequence& sequence, Campaign::Phase phase) override {
    if (phase == Campaign::Phase::running) {
      // Also the end of the sequence before: what killed workers is behind us.
      if (number != report_.counter(slot_next)) report_.counter(slot_deaths) = 0;
      report_.counter(slot_next) = number;
    }
    report_.counter(slot_phase) = static_cast<u64>(phase);
    report_.counter(slot_gone) = 0;
    report_.counter(slot_ends) = ends_word(sequence.ends);
    report_.begin_sequence(number, words_of_operations(sequence.operations));
  }
  void progress(const Tally& tally, u64 next) override {
    put_tally(report_, tally);
    report_.counter(slot_next) = next;
    report_.tick();
  }
  void found(Violation violation) override {
    ++report_.counter(slot_findings);
    report_.add_finding(encode(violation));
  }
  void gave_up(GaveUp gave_up) override { report_.add_finding(encode(gave_up)); }

 private:
  SharedReport& report_;
};

}  // namespace

int run_worker(SharedReport& report, const CheckOptions& options, Clock::time_point started,
               FirstSeen* seen) {
  const auto failed = [&](const Error& error) {
    report.add_finding(fmt::format("error {} {}", static_cast<int>(error.code), error.message));
    return worker_failed;
  };
  auto loaded = load_plugin(options);
  if (!loaded) return failed(loaded.error());
  loaded->tell(report, options.driver);
  Campaign::Settings settings;
  settings.options = &options;
  settings.started = started;
  settings.from = report.counter(slot_next);
  settings.findings_before = report.counter(slot_findings) - options.told.size();
  settings.tally = get_tally(report);
  settings.told = told_by(report);
  settings.seen = seen;
  settings.seen_from = options.first_sequence;
  settings.may_shrink = report.counter(slot_deaths) < 1;
  settings.may_record = report.counter(slot_deaths) < 2;
  settings.count_each = true;  // a death must not take numbers with it
  settings.backend = loaded->backend ? &*loaded->backend : nullptr;
  settings.fork_cases = options.isolation == Isolation::each_case;
  settings.guard_window = !settings.fork_cases;
  settings.on_operation = [](void* context, u32 index) {
    static_cast<SharedReport*>(context)->begin_operation(index);
  };
  settings.on_step = sign_of_life;
  settings.on_gone = [](void* context) {
    static_cast<SharedReport*>(context)->counter(slot_gone) = 1;
  };
  settings.context = &report;
  Worker owner(report);
  Campaign campaign(loaded->driver(), loaded->segments.get(), std::move(settings), owner);
  if (auto booted = campaign.boot(); !booted) return failed(booted.error());
  report.counter(slot_booted) = 1;
  const auto stopped = campaign.run();
  if (!stopped) return failed(stopped.error());
  report.end_sequence();
  return *stopped ? worker_stopped : worker_done;
}

}  // namespace iommucheck::oracle
