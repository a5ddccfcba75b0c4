// SPDX-License-Identifier: MIT
// A device and its judge: runs cases, and says of each what it showed.
#pragma once

#include <optional>
#include <vector>

#include "conform/judge_case.h"
#include "conform/runner.h"

namespace iommucheck::oracle {

/// What one case showed. It depends on the case and the device alone, not on the cases before it.
struct CaseResult {
  Case what;
  std::vector<Divergence> found;
  JudgeTally tally;
  bool died = false;
  double dying_seconds = 0;  ///< how long cases took that the device did not survive

  /// Cases made of this one, to ask the device again, that it did not survive.
  struct Death {
    Case what;
    Divergence found;
  };
  std::vector<Death> further_deaths{};

  /// Everything in it could be judged.
  [[nodiscard]] bool decided() const;
};

class CaseWorker {
 public:
  explicit CaseWorker(DeviceUnderTest& device)
      : device_(device), judge_(device.identity(), device.judged_by()) {}

  [[nodiscard]] DeviceUnderTest& device() { return device_; }
  [[nodiscard]] CaseJudge& judge() { return judge_; }

  /// Runs and judges the case. `count`: where it shows nothing, also which accesses its
  /// invalidations were needed for. `ask`: as CaseJudge::judge has it. Errors: the device cannot
  /// be brought back.
  Expected<CaseResult> run(Case what, bool count, Run* kept = nullptr, CaseJudge::Ask ask = {});

 private:
  struct Question {
    const Case& what;
    const Run& run;
  };
  /// What the device does with that access where nothing can be left over from before it: with the
  /// memory of before the step `memory`.
  Afresh ask_afresh(const Question& of, const Divergence& found, std::size_t memory);
  struct Again {
    trace::Trace trace;
    std::size_t at = 0;             ///< of its last access, by event
    std::vector<Divergence> wrong;  ///< what a judge without a past says of it
  };
  std::optional<Again> ask_again(const Question& of, const Divergence& found, const Case& what);
  Afresh ask_in_company(const Question& of, const Divergence& found, std::size_t memory);
  Afresh ask_earlier(const Question& of, const Divergence& found);
  bool shows_emptied(const Question& of, const Divergence& found, Cached cached);
  /// Whether the device terminates that access with the same record, or without one, as the run in
  /// which it is the only one.
  bool has_same_record(const Question& of, std::size_t step, const trace::Trace& alone);
  /// A further run of the device; nothing if it does not survive that.
  std::optional<Run> once_more(const Case& what);

  DeviceUnderTest& device_;
  CaseJudge judge_;
  std::optional<CaseJudge> second_;  // of what the device is asked again: nothing of it is counted
  std::optional<Error> lost_;        // the device cannot be brought back
  double dying_seconds_ = 0;
  std::vector<CaseResult::Death> deaths_;
};

}  // namespace iommucheck::oracle
