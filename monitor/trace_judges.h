// SPDX-License-Identifier: MIT
// A trace of one SMMU or of several over one memory: a judge each. A recording of several says in
// its header which device is behind which SMMU, and in its events whose registers they are of.
//
// Every judge sees what CPUs do to memory; of the other SMMUs what they write, and nothing else. So
// a table that two of them walk is followed twice: what one still caches the commands of the other
// do not remove.
#pragma once

#include <memory>
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

  [[nodiscard]] u64 events() const;
  [[nodiscard]] u64 flagged() const;
  [[nodiscard]] bool any_finding() const;
  /// Of all of them: an event counts once, as the worst that one of them says of it; a finding of
  /// another SMMU than the first says which.
  [[nodiscard]] ReplayResult result();

 private:
  struct One {
    u32 number = 0;
    std::unique_ptr<Judge> judge;
  };
  [[nodiscard]] u32 smmu_of(const trace::Event& event) const;
  [[nodiscard]] One& judge_of(u32 smmu);
  void tell_others_of_stores();

  std::vector<One> judges_;               // the first is of SMMU 0; never empty
  std::unordered_map<u32, u32> smmu_of_;  // by device
  u64 events_ = 0;                        // where there are several
  bool telling_ = false;                  // others of a store
};

}  // namespace iommucheck::oracle
