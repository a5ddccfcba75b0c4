// SPDX-License-Identifier: MIT
// What stands behind a `struct iommucheck_monitor`: a judge, the events that it was given, and the
// texts that it has handed out. monitor_door.cpp is the C face of it.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "capi/kept_events.h"
#include "monitor/trace_judges.h"
#include "report/coverage.h"
#include "trace/codec.h"

namespace iommucheck::oracle {

/// A finding in texts that do not move.
struct DoorFinding {
  std::string rule, family, party, section, rule_text, text, all, json;
  std::vector<std::string> evidence;
  u64 report = 0;
  EventIndex event = 0;
  EventIndex during = 0;
  Where where{};
  struct Link {
    spec::Cause cause;
    std::string text, miss_text;
  };
  std::vector<Link> causes;
  struct Named {
    EventIndex event = 0;
    u64 report = 0;
    std::string text;
  };
  std::vector<Named> named;
};

class Session {
 public:
  /// bad_input without IDR0, IDR1 and IDR5.
  static Expected<void> may_open(const trace::Header& header);
  explicit Session(trace::Header header);

  /// As iommucheck_monitor_report.
  EventVerdict take(const trace::Event& event);
  EventVerdict flush();
  void finish();
  [[nodiscard]] bool finished() const { return finished_; }

  [[nodiscard]] const TraceJudges& judge() const { return judge_; }
  [[nodiscard]] u64 reported() const { return events_.came(); }
  [[nodiscard]] const std::deque<DoorFinding>& findings() const { return findings_; }
  /// What the judge says now; its texts live until the next event or question.
  const ReplayResult& result();
  std::string junit(std::string_view name);

  void keep(u64 events) { events_.keep(events); }
  /// bad_input where no event is kept.
  Expected<void> save(const std::string& path) const;
  Expected<void> add_coverage(const std::string& path);

  trace::EventStream stream;  ///< of iommucheck_monitor_report_bytes
  std::string error;          ///< of the last call that failed
  bool damaged = false;       ///< a failure inside: nothing more is taken

 private:
  static constexpr u32 findings_max = 1000;

  void collect();

  trace::Header header_;
  TraceJudges judge_;
  KeptEvents events_;
  bool finished_ = false;
  std::deque<DoorFinding> findings_;
  ReplayResult result_;
  bool fresh_ = false;    // result_ is that of now
  RuleTally added_;       // to coverage files so far
  bool counted_ = false;  // as a run
};

}  // namespace iommucheck::oracle
