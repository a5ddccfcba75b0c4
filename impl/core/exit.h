// SPDX-License-Identifier: MIT
// What the environment says about a process: its tables changed, it goes away. INTERFACE "Exit";
// SEMANTICS 5 "SVA".
#pragma once

#include "base/types.h"
#include "impl/core/objects.h"
#include "impl/platform/platform.h"

namespace iommucheck::impl {

class Backend;
class Batch;
class Bonds;
class Entries;
class Faults;
class IoMms;
class Processes;
class SvaDevices;
class Unbinding;
class Uses;

class Exit {
 public:
  struct Parts {
    Backend& backend;
    SvaDevices& sva_devices;
    Processes& processes;
    IoMms& io_mms;
    Uses& uses;
    Bonds& bonds;
    Batch& batch;
    Entries& entries;
    Faults& faults;
    Unbinding& unbinding;
  };
  Exit(const Platform& platform, const Parts& parts)
      : platform_(platform),
        backend_(parts.backend),
        sva_devices_(parts.sva_devices),
        processes_(parts.processes),
        io_mms_(parts.io_mms),
        uses_(parts.uses),
        bonds_(parts.bonds),
        batch_(parts.batch),
        entries_(parts.entries),
        faults_(parts.faults),
        unbinding_(parts.unbinding) {}

  // The calls of driver.h; results and errors as stated there.
  int mm_invalidate(iommucheck_handle mm, u64 start, u64 bytes);
  int mm_release(iommucheck_handle mm);
  int mm_exit_done(u32 device, u32 pasid, int status);

 private:
  int stop_translating(iommucheck_handle process);
  void call_handlers(iommucheck_handle process);
  bool handlers_run(iommucheck_handle process);

  const Platform& platform_;
  Backend& backend_;
  SvaDevices& sva_devices_;
  Processes& processes_;
  IoMms& io_mms_;
  Uses& uses_;
  Bonds& bonds_;
  Batch& batch_;
  Entries& entries_;
  Faults& faults_;
  Unbinding& unbinding_;
};

}  // namespace iommucheck::impl
