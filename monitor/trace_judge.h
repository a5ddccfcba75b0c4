// SPDX-License-Identifier: MIT
// Events that come from outside, one after the other, and what became of each: the loop that
// replay, the C door and others stand on. It judges nothing itself: Monitor::feed does.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "monitor/chronicle.h"
#include "monitor/monitor.h"
#include "monitor/rule_verdicts.h"
#include "monitor/verdict.h"
#include "trace/symbols.h"

namespace iommucheck::oracle {

/// Why events are undetermined: the fact that the source does not give, and how many miss it.
struct MissingFact {
  std::string fact;
  u64 events = 0;
};

/// So many more events miss it.
void add(std::vector<MissingFact>& missing, const std::string& fact, u64 events);

struct ReplayResult {
  std::string source;  ///< of the trace's header
  u64 events = 0;      ///< judged ones; notes are none
  u64 notes = 0;
  u64 accepted = 0, flagged = 0, undetermined = 0;  ///< sum: events
  double seconds = 0;
  bool stopped = false;
  std::string bound;  ///< why the specification has given up, in words; empty: it has not
  std::optional<Error> cut_short;  ///< findings were there when the rest could not be read
  std::vector<MissingFact> missing;
  std::vector<RuleCount> rules;
  std::vector<Violation> findings;
};

enum class EventVerdict : u8 { accepted, undetermined, flagged };

/// Hardware that is no SMMUv3, for a trace of it: powered on. Null: there is none.
using MakeHardware = std::function<std::unique_ptr<Hardware>(const Setup&)>;

class Judge {
 public:
  /// `hardware` is for a trace of such hardware; empty: an SMMUv3's.
  /// `trace` is the name of the trace's file, if it has one: its table of symbols lies beside it.
  /// `findings_max` are kept with their evidence; all are counted.
  explicit Judge(const trace::Header& header, u32 findings_max, const std::string& trace = {},
                 const MakeHardware& hardware = {});

  /// The next event. In a recording below the interface it waits for the regions (`Reach`) that
  /// follow it, so its verdict comes with a later one; else it is judged at once.
  void take(trace::Event event);
  /// No region follows the event that waits.
  void flush();
  /// The next event is another SMMU's.
  void pass_over(const trace::Event& event) {
    if (!std::holds_alternative<trace::Reach>(event.payload)) flush();
    ++line_;
  }
  [[nodiscard]] bool waits() const { return held_.has_value(); }
  /// The trace is at its end. Once; nothing is taken after it.
  void finish();

  /// Verdict of the event that was judged last.
  [[nodiscard]] EventVerdict last() const { return last_; }
  /// Numbers and findings so far. Missing facts and rules are in result() only.
  [[nodiscard]] const ReplayResult& so_far() const { return result_; }
  [[nodiscard]] EventIndex now() const { return monitor_.now(); }
  /// Line of the trace (the header is line 1) whose event has that number; 0: none, or too long
  /// ago.
  [[nodiscard]] u64 line_of(EventIndex number) const { return chronicle_.line_of(number); }
  /// What has been judged so far, for who explains it.
  [[nodiscard]] Monitor& monitor() { return monitor_; }
  [[nodiscard]] bool gave_up() const { return monitor_.gave_up(); }
  /// Of the last events, those that are not accepted.
  [[nodiscard]] const std::unordered_map<EventIndex, EventVerdict>& worse() const {
    return verdicts_;
  }
  /// How often each rule was asked, could have been broken, and was.
  [[nodiscard]] RuleTally tally();
  /// What that makes of each.
  [[nodiscard]] std::vector<RuleCount> rules(const RuleTally& counted);
  [[nodiscard]] std::vector<MissingFact> missing();
  /// Everything, with missing facts and rules.
  [[nodiscard]] ReplayResult result();

 private:
  void judge(const trace::Event& event, u64 line);
  [[nodiscard]] u64 missing_events() const;
  void settle(EventIndex before, bool current);
  void move(EventIndex at, EventVerdict verdict);
  [[nodiscard]] Violation told(const Finding& finding) const;
  [[nodiscard]] const char* out_of_sight(spec::Rule rule) const;
  void add_rules_of_the_smmu(const RuleTally& counted, std::vector<RuleCount>& rules) const;

  u32 findings_max_;
  std::unique_ptr<Hardware> hardware_;
  Setup setup_;
  Monitor monitor_;
  trace::SymbolTable symbols_;
  Chronicle chronicle_;
  u64 line_ = 1;  // of the event that was taken last; the header is line 1
  std::optional<trace::Event> held_;
  u64 held_line_ = 0;
  ReplayResult result_;
  EventVerdict last_ = EventVerdict::accepted;
  u64 missing_ = 0;
  std::vector<MissingFact> late_;  // of earlier events
  std::array<u64, RuleTally::size> broken_{};
  /// Of the last events that are not accepted, and which they are. What is found later of an event
  /// that was forgotten here is a finding all the same; the sums take that event for accepted.
  std::unordered_map<EventIndex, EventVerdict> verdicts_;
  std::deque<EventIndex> worse_;
};

/// The facts that the verdict of the run stands on.
RunEnd end_of(const ReplayResult& result);

}  // namespace iommucheck::oracle
