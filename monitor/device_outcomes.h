// SPDX-License-Identifier: MIT
// What became of each access of a device under test: it is one of the allowed outcomes, or found.
#pragma once

#include <vector>

#include "monitor/device_allowed.h"
#include "monitor/device_findings.h"
#include "monitor/device_records.h"
#include "spec/smmu/smmu.h"
#include "trace/event.h"

namespace iommucheck::oracle {

class DeviceOutcomes {
 public:
  /// Accesses to [first, first + bytes) are seen to arrive; others that pass are not judged.
  DeviceOutcomes(const spec::Caches& caches, const spec::Smmu& smmu, DeviceAllowed& allowed,
                 DeviceRecords& records, DeviceFindings& findings, u64 first, u64 bytes)
      : caches_(caches),
        smmu_(smmu),
        allowed_(allowed),
        records_(records),
        findings_(findings),
        seen_first_(first),
        seen_bytes_(bytes) {}

  void begin_case() { breadth_.clear(); }
  /// One that is not translated.
  void access(const trace::Dma& dma);
  /// One that takes time, whose end is an access(): any record may be of it.
  void access_begins(const trace::Dma& dma);
  /// How many outcomes each access of the case was allowed, in order; ~0: anything.
  [[nodiscard]] const std::vector<u32>& breadth() const { return breadth_; }
  void note_breadth(bool any, std::size_t outcomes) {
    breadth_.push_back(any ? ~u32{0} : static_cast<u32>(outcomes));
  }

  // ---- parts that accesses have which say that they are translated ------------------------------
  [[nodiscard]] static const char* not_known(const trace::Dma& dma);
  /// One that passes may go to where an engine does not see it.
  [[nodiscard]] bool may_be_unseen(const std::vector<spec::Outcome>& allowed) const;
  void push_anything(const spec::Access& access, const trace::Dma& dma);
  void judge_reached(const spec::Access& access, const trace::Dma& dma,
                     const std::vector<spec::Outcome>& allowed, const DeviceAllowed::Plain& memory);
  void judge_terminated(const spec::Access& access, const trace::Dma& dma,
                        const std::vector<spec::Outcome>& allowed,
                        const DeviceAllowed::Plain& memory);

 private:
  void judge_outcome(const spec::Access& access, const trace::Dma& dma,
                     const std::vector<spec::Outcome>& allowed, const DeviceAllowed::Plain& memory);
  void ask_rules(const std::vector<spec::Outcome>& allowed);

  const spec::Caches& caches_;
  const spec::Smmu& smmu_;
  DeviceAllowed& allowed_;
  DeviceRecords& records_;
  DeviceFindings& findings_;
  u64 seen_first_, seen_bytes_;
  std::vector<u32> breadth_;
};

}  // namespace iommucheck::oracle
