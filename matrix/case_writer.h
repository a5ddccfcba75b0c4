// SPDX-License-Identifier: MIT
// What a driver does, event by event, as the steps of a case of conform: its stores, registers and
// batches of commands. What it waits for is waited for again, and what it reads of the queues is
// read again: a device may do things in another order, and records other faults.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conform/case.h"
#include "matrix/engines.h"
#include "trace/event.h"

namespace iommucheck::oracle {

class CaseWriter {
 public:
  /// Both outlive it. `caches`: of the lockstep, before the event that is told.
  CaseWriter(const DeviceIdentity& device, const spec::Caches& caches)
      : device_(device), caches_(caches), engines_(device, caches) {}

  void event(const trace::Event& event);
  /// An access of its own, if an engine can make it.
  void access(const spec::Access& access);
  void request(const spec::Access& access);
  /// The event queue is looked at.
  void poll();

  [[nodiscard]] const std::vector<Step>& steps() const { return steps_; }
  /// Why nothing more is written; empty while it is.
  [[nodiscard]] const std::string& ended() const { return ended_; }
  [[nodiscard]] const QueueLayout& queues() const { return queues_; }
  /// Steps before this one will not change any more.
  [[nodiscard]] std::size_t settled() const { return steps_.empty() ? 0 : steps_.size() - 1; }

  /// Goes back to that many steps, with all else as `before` was then.
  void go_back(const CaseWriter& before);

 private:
  void store(u64 pa, unsigned size, std::optional<u64> value, std::optional<u64> high);
  void store_word(u64 pa, u64 value);
  void fill(const trace::Fill& fill);
  void write(const trace::MmioWrite& write);
  void read(const trace::MmioRead& read);
  void expose(u64 prod);
  void place_queues(u32 offset, u64 value);
  void wait_for(u32 offset, unsigned size, u64 value);
  void step(StepKind kind, u64 a = 0, u64 b = 0, u64 c = 0);
  [[nodiscard]] bool is_on(u32 queue) const { return (cr0_ & queue) != 0; }
  [[nodiscard]] bool is_command_slot(u64 pa) const;
  [[nodiscard]] bool has_memory(u64 pa, u64 bytes);

  const DeviceIdentity& device_;
  const spec::Caches& caches_;
  Engines engines_;
  std::vector<Step> steps_;
  QueueLayout queues_{};
  u64 cr0_ = 0;   // as it was written last
  u64 prod_ = 0;  // of the command queue
  std::string ended_;
};

}  // namespace iommucheck::oracle
