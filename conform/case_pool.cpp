// SPDX-License-Identifier: MIT
#include "conform/case_pool.h"

#include <algorithm>
#include <utility>

namespace iommucheck::oracle {

namespace {

/// So many results may wait for one that takes longer.
constexpr u64 waiting_max = 256;

}  // namespace

CasePool::CasePool(CaseWorker& own, std::span<DeviceUnderTest* const> others, Source source)
    : own_(own), source_(std::move(source)) {
  for (DeviceUnderTest* device : others) {
    threads_.emplace_back([this, device] { work(*device); });
  }
}

CasePool::~CasePool() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void CasePool::work(DeviceUnderTest& device) {
  CaseWorker worker(device);
  for (;;) {
    u64 number = 0;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return ended_ || begun_ < taken_ + waiting_max; });
      if (ended_) return;
      number = begun_++;
    }
    auto job = source_(number);
    if (!job) {
      const std::lock_guard lock(mutex_);
      ended_ = true;
      begun_ = std::min(begun_, number);
      changed_.notify_all();
      return;
    }
    auto result = worker.run(std::move(job->what), job->count);
    const std::lock_guard lock(mutex_);
    if (!result) ended_ = true;
    done_.emplace(number, std::move(result));
    changed_.notify_all();
  }
}

std::optional<Expected<CaseResult>> CasePool::next() {
  if (threads_.empty()) {
    if (ended_) return std::nullopt;
    auto job = source_(taken_++);
    ended_ = !job;
    if (ended_) return std::nullopt;
    auto result = own_.run(std::move(job->what), job->count);
    ended_ = !result;
    return result;
  }
  std::unique_lock lock(mutex_);
  // A case that was given out is done at some time, but for those behind the last one.
  changed_.wait(lock, [&] { return done_.contains(taken_) || (ended_ && taken_ >= begun_); });
  const auto found = done_.find(taken_);
  if (found == done_.end()) return std::nullopt;
  std::optional<Expected<CaseResult>> result(std::move(found->second));
  done_.erase(found);
  ++taken_;
  changed_.notify_all();
  return result;
}

}  // namespace iommucheck::oracle
