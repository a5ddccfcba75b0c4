// SPDX-License-Identifier: MIT
// A trace of one SMMU or of several over one memory: a judge each. A recording of several says in
// its header which device is behind which SMMU, and in its events whose registers they are of.
//
// Every judge sees what CPUs do to memory; of the other SMMUs what they write, and nothing else. So
// a table that two of them walk is followed twice: what one still caches the commands of the other
// do not remove.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "monitor/trace_judge.h"

namespace iommucheck::oracle {

class TraceJudges {
 public:
  /// As Judge. Several SMMUs are followed in recordings below the interface alone: of a trace with
  /// calls, and of a device under test, the first one is.
  TraceJudges(const trace::Header& header, u32 findings_max, const std::string& trace = {},
              const MakeHardware& hardware = {});

  void take(trace::Event event);
  /// What comes next is not known.
  void flush();
  void finish();

  /// An event waits for what follows it (Judge::take).
  [[nodiscard]] bool waits() const;
  /// Of the event that was judged last: the worst that one of them says.
  [[nodiscard]] EventVerdict last() const;
  /// So far. An event counts once, as the worst that one of them says of it.
  struct Numbers {
    u64 events = 0, accepted = 0, flagged = 0, undetermined = 0;
  };
  [[nodiscard]] Numbers numbers() const;
  /// The worst of all events so far, without counting them.
  [[nodiscard]] EventVerdict worst() const;
  [[nodiscard]] bool any_finding() const { return !told_.empty(); }
  /// Those that nobody has taken, until the next event. One of another SMMU than the first says
  /// which.
  struct Told {
    Violation finding;
    u64 line = 0;  ///< of the trace; 0: too long ago
  };
  std::span<const Told> take_findings();
  [[nodiscard]] bool gave_up() const;
  /// The sum of all.
  [[nodiscard]] RuleTally tally();
  /// Of all of them, the findings as they came.
  [[nodiscard]] ReplayResult result();

 private:
  struct One {
    u32 number = 0;
    std::unique_ptr<Judge> judge;
    std::size_t findings = 0;  ///< that are in told_
  };
  [[nodiscard]] u32 smmu_of(const trace::Event& event) const;
  [[nodiscard]] One& judge_of(u32 smmu);
  void tell_others_of_stores();
  void route(trace::Event event);
  void note_findings();

  static constexpr u32 nobodys = ~u32{0};

  const Judge* last_of_ = nullptr;  // who judged the last event; null: all
  std::vector<Told> told_;
  std::size_t taken_ = 0;                 // of told_
  std::vector<One> judges_;               // the first is of SMMU 0; never empty
  std::unordered_map<u32, u32> smmu_of_;  // by device
  u64 events_ = 0;                        // where there are several
  bool telling_ = false;                  // others of a store
};

}  // namespace iommucheck::oracle
