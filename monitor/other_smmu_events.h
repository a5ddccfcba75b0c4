// SPDX-License-Identifier: MIT
// Accesses of devices behind an SMMU that somebody else is (other_smmu.h).
#pragma once

#include <optional>

#include "monitor/other_smmu.h"
#include "monitor/trace_feeder.h"

namespace iommucheck::oracle {

class OtherSmmuEvents : public TraceFeeder {
 public:
  /// As DeviceAccesses has it, of whichever SMMU there is.
  bool device_access(const spec::Access& access, spec::Choices& choices,
                     std::optional<PageAsked> asked = {});
  /// Each thing that may become of the access at the other SMMU has to be one that the architecture
  /// allows. What is not is an access that was seen so.
  void check_other_smmu(const spec::Access& access);
  /// Of the monitor of another level, beside this one: it ends the case as one of its own does.
  void found_elsewhere(Finding finding) { find(std::move(finding)); }

 protected:
  using TraceFeeder::TraceFeeder;

 private:
  [[nodiscard]] trace::Dma dma_seen(const spec::Access& access, const OtherSmmu::Seen& seen) const;
  void judge_record(const spec::Access& access, const OtherSmmu::Record& record);
  void judge_marks(const spec::Access& access, const OtherSmmu::Seen& seen,
                   const std::vector<spec::FlagUpdate>& marks);
  void judge_dirtying(const spec::Access& access, const OtherSmmu::Seen& seen);
};

}  // namespace iommucheck::oracle
