// SPDX-License-Identifier: MIT
// What stands behind a `struct iommucheck_monitor`: a judge, the events that it was given, and the
// texts that it has handed out. monitor_door.cpp is the C face of it.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "monitor/trace_judge.h"
#include "report/coverage.h"

namespace iommucheck::oracle {

/// A finding in texts that do not move.
struct DoorFinding {
  std::string rule, family, party, section, rule_text, text, all;
  std::vector<std::string> evidence;
  u64 report = 0;
  EventIndex event = 0;
};

class Session {
 public:
  /// bad_input without IDR0, IDR1 and IDR5.
  static Expected<void> may_open(const trace::Header& header);
  explicit Session(trace::Header header);

  /// As iommucheck_monitor_report. gave_up: more events than are numbered.
  Expected<EventVerdict> take(const trace::Event& event);
  EventVerdict flush();
  void finish();
  [[nodiscard]] bool finished() const { return finished_; }

  [[nodiscard]] const Judge& judge() const { return judge_; }
  [[nodiscard]] u64 reported() const { return reported_; }
  [[nodiscard]] const std::deque<DoorFinding>& findings() const { return findings_; }
  /// What the judge says now; its texts live until the next event or question.
  const ReplayResult& result();
  std::string junit(std::string_view name);

  void keep(bool keep);
  /// bad_input where events were not kept from the first on.
  Expected<void> save(const std::string& path) const;
  Expected<void> add_coverage(const std::string& path);

  std::string error;     ///< of the last call that failed
  bool damaged = false;  ///< a failure inside: nothing more is taken

 private:
  static constexpr u32 findings_max = 1000;

  void collect();
  void number_waiting();
  [[nodiscard]] u64 report_of(EventIndex event) const;

  trace::Header header_;
  Judge judge_;
  u64 reported_ = 0;
  std::size_t waiting_ = 0;  // index of the report that waits or waited last
  bool finished_ = false;
  bool keep_ = true;
  bool complete_ = true;             // all events are kept
  std::vector<u8> bytes_;            // of the events, encoded one after the other
  std::vector<u64> begins_;          // where each begins
  std::vector<EventIndex> numbers_;  // the monitor's time after each
  std::deque<DoorFinding> findings_;
  ReplayResult result_;
  bool fresh_ = false;    // result_ is that of now
  RuleTally added_;       // to coverage files so far
  bool counted_ = false;  // as a run
};

}  // namespace iommucheck::oracle
