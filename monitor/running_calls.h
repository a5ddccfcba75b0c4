// SPDX-License-Identifier: MIT
// The call that runs and those that wait: calls of the interface, a Release, an Invalidate, a
// removal, an arrival.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "monitor/state.h"

namespace iommucheck::oracle {

class RunningCalls : public MonitorState {
 public:
  /// Number of the call, Release or removal that runs.
  [[nodiscard]] u64 running_call() const { return running_.id; }
  [[nodiscard]] bool in_call() const { return in_call_; }

 protected:
  using MonitorState::MonitorState;

  /// A place that a call has to make safe.
  struct Owed {
    u32 device = 0;
    spec::sva::Substream at;
    bool bound = false;  ///< a process was bound to the device there when the call began
  };
  struct Running {
    enum class Kind : u8 { call, release, invalidate, removal, arrival };
    Kind kind = Kind::call;
    u64 id = 0;
    spec::sva::Call call;        ///< of a Release or Invalidate `mm`, of a device's `device`
    spec::sva::CallLists lists;  ///< of the call
    EventIndex began = 0;        ///< event with which it began
    std::optional<spec::Rule> breach{};  ///< the duty that the caller breaks by making it
    spec::sva::Ticket ticket;
    std::vector<std::pair<u64, u64>> ranges;  ///< that it has to make safe
    std::vector<Owed> places;                 ///< of devices, the same
    spec::sva::HookCalls hooks;
  };

  /// The one that runs, and for what is compared at its end the one that ran last.
  [[nodiscard]] const Running& current() const { return running_; }
  Running& current() { return running_; }
  /// None runs: this one does.
  void runs_now(Running running);
  /// The one that runs waits; others may run.
  void lays_aside();
  [[nodiscard]] bool waits(u64 id) const;
  /// None runs: one that waits goes on.
  void takes_up(u64 id);
  /// The one that runs has returned. What it was is known until it is forgotten.
  void has_returned() { in_call_ = false; }
  void forget_running() { running_ = {}; }
  void forget_calls();
  [[nodiscard]] bool any_waits() const { return !waiting_.empty(); }
  /// Some call has timed out, and what it was doing was left, or put back, without its commands.
  [[nodiscard]] bool any_timed_out() const { return late_group_ != 0; }

  /// Whether the device is gone, and only its driver's work on that is not done.
  [[nodiscard]] bool vanishes(u32 device) const;
  /// Whether a violation found now follows from what the caller broke with the call that runs.
  [[nodiscard]] bool is_callers_doing(spec::Rule rule) const;
  /// The text with the trace's number of the call's object instead of the driver's handle.
  std::string in_trace_numbers(std::string text, const spec::sva::Call& call);
  /// Empty: what is kept of calls agrees with itself. Else what does not, in words.
  [[nodiscard]] std::string consistent_calls() const;

  /// Trailed: 1 + the group of commands that a call left behind when it timed out last; 0: none
  /// did.
  u64 late_group_ = 0;

 private:
  bool in_call_ = false;  // running_ runs
  Running running_;
  std::vector<Running> waiting_;
};

}  // namespace iommucheck::oracle
