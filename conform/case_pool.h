// SPDX-License-Identifier: MIT
// Cases on several devices side by side. Results come in the order of the cases, so that a run is
// the same for any number of devices.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "conform/case_worker.h"

namespace iommucheck::oracle {

struct CaseJob {
  Case what;
  bool count = false;  ///< as CaseWorker::run has it
};

class CasePool {
 public:
  /// Case number `n`, from 0; nothing behind the last one. Asked by several threads at a time, each
  /// number once.
  using Source = std::function<std::optional<CaseJob>(u64 n)>;

  /// With no `others` cases run on `own`, when their result is asked for; else each of the others
  /// has a thread, and `own` is left to the caller.
  CasePool(CaseWorker& own, std::span<DeviceUnderTest* const> others, Source source);
  /// Waits for the cases that have begun.
  ~CasePool();
  CasePool(const CasePool&) = delete;
  CasePool& operator=(const CasePool&) = delete;

  /// The result of the next case; nothing after the last one, or after an error.
  std::optional<Expected<CaseResult>> next();

 private:
  void work(DeviceUnderTest& device);

  CaseWorker& own_;
  Source source_;
  std::mutex mutex_;
  std::condition_variable changed_;
  u64 begun_ = 0;  // cases that were given out
  u64 taken_ = 0;  // results that next() returned
  bool ended_ = false;
  std::map<u64, Expected<CaseResult>> done_;
  std::vector<std::thread> threads_;
};

}  // namespace iommucheck::oracle
