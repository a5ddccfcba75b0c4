// SPDX-License-Identifier: MIT
// What happens in a run of a case, as a trace: an answer that comes late stands where it was asked
// for.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "conform/case.h"
#include "conform/dut/device.h"
#include "conform/held_memory.h"
#include "conform/run.h"
#include "trace/agent.h"
#include "trace/event.h"

namespace iommucheck::oracle {

class CaseLog {
 public:
  explicit CaseLog(DeviceUnderTest& device) : device_(device) {}

  [[nodiscard]] DeviceUnderTest& device() { return device_; }
  [[nodiscard]] const DeviceIdentity& identity() const { return device_.identity(); }
  /// What is told from now on is of that step.
  void begin_step(std::size_t number) { step_ = number; }

  template <class Payload>
  void event(AgentId by, Payload payload) {
    run_.trace.events.push_back({by, std::move(payload), std::nullopt});
    run_.step_of.push_back(step_);
  }
  /// The same, with an answer that settle() fills in.
  template <class Payload>
  void event(AgentId by, Payload payload, Ticket answer) {
    waiting_.push_back({run_.trace.events.size(), answer});
    event(by, std::move(payload));
  }

  // ---- what a driver does -----------------------------------------------------------------------
  void store(u64 pa, u64 value);
  void fill(u64 pa, u64 words, u64 value);
  void write(u32 offset, unsigned size, u64 value);
  Ticket read(u32 offset, unsigned size);
  /// Stores before it are visible before what comes behind it.
  void order();

  /// False: the device died.
  bool settle();
  /// Once it has settled.
  [[nodiscard]] u64 value(Ticket ticket) const { return device_.value(ticket); }
  /// What the case's stores have left in memory.
  [[nodiscard]] const HeldMemory& held() const { return held_; }
  Run take(bool alive);

 private:
  struct Waiting {
    std::size_t place = 0;
    Ticket ticket = 0;
  };
  [[nodiscard]] u32 place_of(u32 offset) const;
  void resolve();
  void answer(trace::Event& asked, Ticket ticket);

  DeviceUnderTest& device_;
  Run run_;
  HeldMemory held_;
  std::vector<Waiting> waiting_;
  std::size_t step_ = 0;
  bool unordered_ = false;
};

}  // namespace iommucheck::oracle
