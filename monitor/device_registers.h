// SPDX-License-Identifier: MIT
// The progress that registers of a device under test have to show: what was asked for is there "in
// finite time", in so many reads. IHI 0070 6.3, 7.1.
#pragma once

#include "monitor/device_findings.h"
#include "spec/smmu/smmu.h"

namespace iommucheck::oracle {

class DeviceRegisters {
 public:
  DeviceRegisters(const spec::Smmu& smmu, DeviceFindings& findings)
      : smmu_(smmu), findings_(findings) {}

  void begin_case() { state_ = {}; }
  void write(u32 offset, u64 value);
  /// Before the SMMU as a judge sees it.
  void read(u32 offset, u64 value);
  /// An endpoint has done an invalidation: CMDQ_CONS may have waited for it.
  void endpoint_answered() { state_.cons = 0; }

 private:
  void cons_read(u64 value);
  void late(unsigned& reads, const char* what);

  /// What a case leaves here.
  struct State {
    unsigned cr0 = 0, cons = 0, gbpa = 0, gerror = 0;  ///< reads that showed no progress
    u64 last_cons = 0;
    u64 gerrorn = 0;
    bool error_shown = false;  ///< CMDQ_CONS said at which command, and why
  };
  const spec::Smmu& smmu_;
  DeviceFindings& findings_;
  State state_;
};

}  // namespace iommucheck::oracle
