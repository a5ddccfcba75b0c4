// SPDX-License-Identifier: MIT
// Who is bound to what, and what is asked about that: a bond is one of a device and an io_mm of a
// process, in the lists of both, and counted at its number.
#pragma once

#include "base/types.h"
#include "impl/core/objects.h"
#include "impl/platform/platform.h"
#include "impl/platform/pool.h"

namespace iommucheck::impl {

class Devices;
class Domains;
class IoMms;
class Pasids;
class Processes;
class SvaDevices;
class Uses;

class Bonds {
 public:
  struct Parts {
    Devices& devices;
    Domains& domains;
    Pasids& pasids;
    SvaDevices& sva_devices;
    Processes& processes;
    IoMms& io_mms;
    Uses& uses;
  };
  Bonds(const Platform& platform, const Parts& parts)
      : platform_(platform),
        devices_(parts.devices),
        domains_(parts.domains),
        pasids_(parts.pasids),
        sva_devices_(parts.sva_devices),
        processes_(parts.processes),
        io_mms_(parts.io_mms),
        uses_(parts.uses) {}

  void shutdown();
  void held(iommucheck_held& held);
  template <class Visit>
  void for_each_used(Visit visit) {
    bonds_.for_each_used(visit);
  }

  iommucheck_handle handle(const Bond& bond) const { return bonds_.handle(bond); }
  Bond* find(iommucheck_handle handle) { return bonds_.find(handle); }
  Bond* find_bond(u32 device, u32 pasid);
  /// Of (device, pasid), 0 if there is none; and whether it is there still.
  iommucheck_handle bond_at(u32 device, u32 pasid);
  bool has_bond(iommucheck_handle bond) const { return bonds_.find(bond) != nullptr; }
  /// Null: no memory.
  Bond* add_bond(u32 device, IoMm& io_mm, u64 drvdata);
  /// It is in no list any more, and counted nowhere; then it may be released.
  void take_out(Bond& bond);
  void release(Bond& bond) { bonds_.release(bond); }

  // The calls of driver.h; results and errors as stated there.
  int drvdata(u32 device, u32 pasid, u64* drvdata);
  int io_mm_of(u32 device, u32 pasid, iommucheck_handle* io_mm);

  /// Whether processes or private PASIDs of the device are bound.
  bool bound(u32 device);
  /// What the device reaches there.
  IoMm* io_mm_at(u32 device, u32 pasid);
  /// Whether the device was given what stands at that number itself.
  bool has_given(u32 device, const IoMm& io_mm);
  /// Whether what the device reaches there is a process that lives.
  bool is_processes(u32 device, u32 pasid);

  /// A fault of the device waits at `pasid`: true if it is to be answered with "again".
  bool answer_fault(u32 device, u32 pasid, u64 iova, u32 prot);
  /// Its faults there go to the caller's handler, or no longer. EINVAL, ESRCH.
  int set_fault_handler(u32 device, u32 pasid, bool present, u64 word);
  /// That has ended, the bond perhaps not.
  void forget_fault_handler(Bond& bond);
  /// Of a process's bond with a fault handler; null: there is none.
  const Bond* fault_handler_of(u32 device, u32 pasid);
  /// Whether its faults do not wait, for the sake of others that share its table.
  bool is_silenced(u32 device);

  /// What of the lists and counts does not hold, between calls; null: all of it does.
  const char* inconsistency();

 private:
  const Platform& platform_;
  Devices& devices_;
  Domains& domains_;
  Pasids& pasids_;
  SvaDevices& sva_devices_;
  Processes& processes_;
  IoMms& io_mms_;
  Uses& uses_;
  Pool<Bond> bonds_;
};

}  // namespace iommucheck::impl
