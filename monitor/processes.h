// SPDX-License-Identifier: MIT
// The environment: processes, handlers of device drivers, devices that go and come.
#pragma once

#include <optional>
#include <string>

#include "monitor/calls.h"

namespace iommucheck::oracle {

/// Told when the tables in memory say it, and a barrier has made that visible.
class EnvironmentEvents : public CallEvents {
 public:
  void process_created(u64 mm);
  void process_maps(u64 mm, u64 va, u64 bytes, u64 pa, u32 prot);
  void process_unmaps(u64 mm, u64 va, u64 bytes);
  void process_protects(u64 mm, u64 va, u64 bytes, u32 prot);
  void process_forks(u64 mm, u64 child);
  /// The process is gone without a Release: nobody was bound to it.
  void process_exits(u64 mm);
  /// The driver is told of the range, and has answered. A call like others, without a number.
  void invalidate_begins(u64 mm, u64 va, u64 bytes);
  void invalidate_ends(bool timed_out);
  /// Release is a call like others: it may wait.
  u64 release_begins(u64 mm);
  void release_ends(bool timed_out);
  void handler_called(u32 device, u32 pasid, u64 drvdata);
  void handler_returned(u32 device, u32 pasid, spec::sva::Status status);
  void bound_passes(u32 device, u32 pasid);
  /// The driver gives a fault to the handler of its device and PASID, with the handler's word.
  /// What it says of the access, `iova` and `prot`, where that is known.
  struct FaultTold {
    u32 device = 0;
    u32 pasid = 0;
    u32 group = 0;
    u32 prot = 0;
    std::optional<u64> iova;
    u64 word = 0;
  };
  void fault_handler_called(const FaultTold& fault);
  /// The driver has asked the process's own handler of an access that waits, and was told so.
  void process_answered(const spec::sva::FaultRecord& fault, bool again) {
    interface_.process_answered(fault, again);
  }
  /// The caller gives a page to somebody else.
  void page_released(AgentId by, u64 pa, u64 bytes);
  /// A device vanishes. In between the driver's own device_remove runs.
  void device_vanishes(u32 device);
  void device_vanished(bool timed_out);
  /// It, or another in its place, is there again. In between the driver's own device_add runs.
  void device_comes(u32 device);
  /// `status`: what that answered. Ok: it is blocked until an attach; else it is not there.
  void device_came(spec::sva::Status status);
  /// The driver switched ATS at the device's own end.
  void endpoint_ats(u32 device, bool on);

 protected:
  using CallEvents::CallEvents;

 private:
  void after(const spec::sva::Verdict& verdict, const std::string& what);
  void switch_ats(u32 device, bool on);

  u64 ats_is_drivers_ = 0;  ///< 1: the driver has switched ATS at some device
};

}  // namespace iommucheck::oracle
