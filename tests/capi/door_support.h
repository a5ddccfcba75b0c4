// SPDX-License-Identifier: MIT
// Events as the C structs of iommucheck/monitor.h, and a monitor that closes itself.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "iommucheck/monitor.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// The struct of an event, with what it points to.
class EventStruct {
 public:
  explicit EventStruct(const trace::Event& event);
  EventStruct(const EventStruct&) = delete;
  EventStruct& operator=(const EventStruct&) = delete;

  [[nodiscard]] const iommucheck_event* get() const {
    return reinterpret_cast<const iommucheck_event*>(members_.data());
  }
  iommucheck_event* get() { return reinterpret_cast<iommucheck_event*>(members_.data()); }
  /// All of it, the head too, as numbers of 8 bytes.
  std::vector<u64>& members() { return members_; }
  /// The struct of a call's arguments; empty for other events.
  std::vector<u64>& arguments() { return arguments_; }

 private:
  friend struct StructWriter;
  std::vector<u64> members_;
  std::vector<u64> arguments_;
  std::deque<std::vector<u64>> lists_;
  std::deque<std::string> texts_;
};

struct CloseMonitor {
  void operator()(iommucheck_monitor* monitor) const { iommucheck_monitor_close(monitor); }
};
using MonitorPtr = std::unique_ptr<iommucheck_monitor, CloseMonitor>;

/// A header that opens: the ID registers of `check`'s SMMU, two devices.
trace::Header door_header();
/// Fails the test if it does not open.
MonitorPtr open_monitor(const trace::Header& header = door_header());

/// Everything that a monitor says, in lines: findings with their evidence, numbers, missing facts,
/// rules.
std::vector<std::string> said(iommucheck_monitor* monitor);

/// A lockstep run of the builtin driver, and of one that turns TLBI_NH_VA into a prefetch, up to
/// the violation.
trace::Trace clean_trace();
trace::Trace broken_trace();

}  // namespace iommucheck::oracle
