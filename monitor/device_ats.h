// SPDX-License-Identifier: MIT
// ATS of a device under test: what its endpoints' translation requests are answered, and what
// becomes of accesses that say they are translated. The endpoints are the tester's, and an address
// is sent as translated whether an answer gave it or not. IHI 0070 3.9.1.
#pragma once

#include <vector>

#include "monitor/ats_allowed.h"
#include "monitor/device_outcomes.h"

namespace iommucheck::oracle {

class DeviceAts {
 public:
  DeviceAts(const spec::Caches& caches, const spec::Smmu& smmu, const DeviceAllowed& allowed,
            DeviceOutcomes& outcomes, DeviceRecords& records, DeviceFindings& findings)
      : caches_(caches),
        smmu_(smmu),
        allowed_(allowed),
        outcomes_(outcomes),
        records_(records),
        findings_(findings) {}

  /// An access that says that it is translated.
  void translated(const trace::Dma& dma);
  /// A translation request and its answer. It counts as an access.
  void request(const trace::AtsRequest& request);

 private:
  struct Right {
    spec::AccessType type{};
    bool granted = false;
    bool asked = false;
  };
  void push_records(const spec::Access& access, const std::vector<AtsAllowed::Answer>& answers,
                    trace::AtsResult result);
  void judge_grant(const trace::AtsRequest& request, const spec::Access& access);
  void judge_right(const trace::AtsRequest& request, spec::Access access, const Right& right);
  void judge_extent(const trace::AtsRequest& request, const spec::Access& access);

  const spec::Caches& caches_;
  const spec::Smmu& smmu_;
  const DeviceAllowed& allowed_;
  DeviceOutcomes& outcomes_;
  DeviceRecords& records_;
  DeviceFindings& findings_;
};

}  // namespace iommucheck::oracle
