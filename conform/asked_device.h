// SPDX-License-Identifier: MIT
// The device that findings are asked of again, in cases of which nothing is counted but that the
// device did not survive them.
#pragma once

#include <optional>
#include <vector>

#include "conform/case_worker.h"

namespace iommucheck::oracle {

class AskedDevice {
 public:
  /// How long a device may take to die in a whole run.
  static constexpr double dying_seconds_most = 60;

  explicit AskedDevice(DeviceUnderTest& device) : worker_(device) {}

  /// For cases that are counted.
  [[nodiscard]] CaseWorker& worker() { return worker_; }
  /// Of such a case, on whichever device it was run.
  void count_deaths(const CaseResult& result);

  /// What a case shows. `kept`, `ask`: as CaseWorker::run has them.
  Expected<std::vector<Divergence>> look(const Case& what, Run* kept = nullptr,
                                         const CaseJudge::Ask& ask = {});
  /// Does it show that finding, or something that cannot be judged?
  Expected<bool> shows(const Case& what, const Divergence& wanted);
  /// Nothing is left of any case before.
  Expected<void> renew() { return worker_.device().renew(); }
  /// Rules of the driver's side that the last case broke.
  [[nodiscard]] const std::vector<spec::Rule>& drivers() { return worker_.judge().drivers(); }

  [[nodiscard]] u64 deaths() const { return deaths_; }
  [[nodiscard]] double dying_seconds() const { return dying_seconds_; }
  [[nodiscard]] bool keeps_dying() const { return dying_seconds_ >= dying_seconds_most; }
  /// A case made of others that the device did not survive, and that nobody has noted.
  std::optional<CaseResult::Death> next_unnoted();
  void forget_unnoted() { unnoted_.clear(); }

 private:
  CaseWorker worker_;
  u64 deaths_ = 0;
  double dying_seconds_ = 0;  // in cases that the device did not survive
  std::vector<CaseResult::Death> unnoted_;
};

}  // namespace iommucheck::oracle
