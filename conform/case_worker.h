// SPDX-License-Identifier: MIT
// A device and its judge: runs cases, and says of each what it showed.
#pragma once

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
  double dying_seconds = 0;  ///< how long a case took that the device did not survive

  /// Everything in it could be judged.
  [[nodiscard]] bool decided() const;
};

class CaseWorker {
 public:
  explicit CaseWorker(DeviceUnderTest& device) : device_(device), judge_(device.identity()) {}

  [[nodiscard]] DeviceUnderTest& device() { return device_; }
  [[nodiscard]] CaseJudge& judge() { return judge_; }

  /// Runs and judges the case. `count`: where it shows nothing, also which accesses its
  /// invalidations were needed for. `ask`: as CaseJudge::judge has it. Errors: the device cannot
  /// be brought back.
  Expected<CaseResult> run(Case what, bool count, Run* kept = nullptr,
                           const CaseJudge::Ask& ask = {});

 private:
  DeviceUnderTest& device_;
  CaseJudge judge_;
};

}  // namespace iommucheck::oracle
