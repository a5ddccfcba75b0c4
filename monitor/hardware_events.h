// SPDX-License-Identifier: MIT
// Where the hardware is no SMMUv3: what it is told, what is compared and found of it, and its
// accesses that wait. Its specification answers by hardware.h.
#pragma once

#include <string>

#include "monitor/marks.h"

namespace iommucheck::oracle {

class HardwareEvents : public Marks {
 protected:
  using Marks::Marks;

  void put(u64 pa, u64 value);
  void hardware_stores(u64 pa, unsigned size, u64 value, u64 high);
  void hardware_marks(u64 pa);
  /// An access got that: whether there is a record of it now.
  bool hardware_reports(const spec::Access& access, const MachineAccess& asked, const MayGet& got);
  void hardware_changed() {
    if (hardware_) hardware_->changed();
  }
  void hardware_acted();
  void gather_hardware();
  void compare_hardware();
  void may_still_lead(std::string what);
  void settle_process(u64 mm, bool timed_out);
  [[nodiscard]] static trace::DmaResult result_of(MayGet::Kind kind);
  void access_waits(const spec::Access& access, const MachineAccess& asked);

 private:
  void responses_come();
};

}  // namespace iommucheck::oracle
