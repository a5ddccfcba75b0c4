// SPDX-License-Identifier: MIT
// What the specification says of one trace of a device: the monitor's findings, and those of the
// judges of subjects that it does not follow.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "conform/case_header.h"
#include "conform/cases/register_contents.h"
#include "conform/divergence.h"
#include "conform/dut/device.h"
#include "conform/endpoint_rules.h"
#include "conform/flag_rules.h"
#include "conform/interrupt_rules.h"
#include "conform/memory_rules.h"
#include "conform/page_request_rules.h"
#include "conform/queue_abort_rules.h"
#include "monitor/monitor.h"
#include "trace/event.h"

namespace iommucheck::oracle {

class CaseReading {
 public:
  CaseReading(const DeviceIdentity& device, const spec::Profile& profile);

  /// Distinct ones, in order, up to the first after which device and specification are in different
  /// states (registers and queues).
  std::vector<Divergence> all(const trace::Trace& trace);

  [[nodiscard]] Monitor& monitor() { return monitor_; }
  [[nodiscard]] const spec::IdRegisters& identity() const { return identity_; }
  /// Of the last trace: the event at which it stopped.
  [[nodiscard]] std::size_t judged_until() const { return state_.judged_until; }
  /// And rules of the driver's side that it broke.
  [[nodiscard]] std::vector<spec::Rule>& drivers() { return drivers_; }
  [[nodiscard]] const std::vector<spec::Rule>& drivers() const { return drivers_; }

  /// Over traces.
  struct Counted {
    DeviceRules::Numbers numbers;
    std::array<u64, spec::rule_numbers> exercised{};
    u64 gave_up = 0;  ///< traces in which a bound of the specification was hit
  };
  [[nodiscard]] Counted counted();
  void set_counted(const Counted& counted);
  /// Which bound, in the first of them.
  [[nodiscard]] const std::string& bound() const { return bound_; }

 private:
  void begin(const trace::Trace& trace);
  bool judge(const trace::Trace& trace, std::size_t at);
  bool look(const trace::Trace& trace, std::size_t at);
  void finish(const trace::Trace& trace);
  void count();
  void add(std::optional<Finding> finding, std::size_t at);

  /// What a trace leaves here.
  struct State {
    std::vector<Divergence> found;
    std::size_t seen = 0;               ///< findings of the monitor
    std::vector<std::size_t> accesses;  ///< where they are in the trace
    std::size_t judged_until = 0;
  };
  Monitor monitor_;
  spec::IdRegisters identity_;
  RegisterContents contents_;
  InterruptRules interrupts_;
  QueueAbortRules queue_aborts_;
  EndpointRules endpoints_;
  PageRequestRules page_requests_;
  FlagRules flags_;
  MemoryRules memory_;
  bool has_ats_;
  std::size_t booted_ = 0;
  State state_;
  std::vector<spec::Rule> drivers_;
  u64 gave_up_ = 0;
  std::string bound_;
};

}  // namespace iommucheck::oracle
