// SPDX-License-Identifier: MIT
// The way back: unbinding, freeing, and what a time-out leaves. INTERFACE "Bind", "Timeouts and
// removal"; SEMANTICS 5 "PASID leaves quarantine".
//
// Other calls run during wait(IOMMUCHECK_WAIT_CALLER), and only there: nothing is half-done across
// it, and no pointer is used after it.
#pragma once

#include "base/types.h"
#include "impl/core/backend.h"
#include "impl/core/objects.h"
#include "impl/platform/platform.h"

namespace iommucheck::impl {

class Batch;
class Bonds;
class Devices;
class Domains;
class Entries;
class Faults;
class IoMms;
class Pasids;
class Processes;
class SvaDevices;
class Uses;
class Waiting;

class Unbinding {
 public:
  struct Parts {
    Devices& devices;
    Domains& domains;
    Pasids& pasids;
    SvaDevices& sva_devices;
    Processes& processes;
    IoMms& io_mms;
    Uses& uses;
    Bonds& bonds;
    Batch& batch;
    Entries& entries;
    Faults& faults;
    Waiting& waiting;
  };
  Unbinding(const Platform& platform, Backend& backend, const Parts& parts)
      : platform_(platform),
        backend_(backend),
        devices_(parts.devices),
        domains_(parts.domains),
        pasids_(parts.pasids),
        sva_devices_(parts.sva_devices),
        processes_(parts.processes),
        io_mms_(parts.io_mms),
        uses_(parts.uses),
        bonds_(parts.bonds),
        batch_(parts.batch),
        entries_(parts.entries),
        faults_(parts.faults),
        waiting_(parts.waiting) {}

  // The calls of driver.h; results and errors as stated there.
  int device_shutdown(u32 device);
  int unbind_device(u32 device, u32 pasid);
  int unbind_dev_all(u32 device);
  int free_private(iommucheck_handle domain, iommucheck_handle io_mm);

  /// Until the handler of the bond there, if one runs, has returned. -EDEADLK: it is the caller.
  int wait_for_exit(u32 device, u32 pasid);
  /// The device of the bond has said "done".
  void remove_bond(Bond& bond);
  int end_uses_of(iommucheck_handle io_mm, const Holder& holder);
  /// shutdown: the hook hears of each device that is still attached to an io_mm.
  void detach_all();
  int end_process(iommucheck_handle process);

  // What others tell.
  /// The device is gone: like unbind_dev_all, but nobody is waited for.
  int device_gone(u32 device);
  /// The last device has left the domain.
  int domain_left(iommucheck_handle domain);
  /// The device has a table of its own: what nobody else was given goes from the one that it
  /// shared. 0, ETIMEDOUT.
  int left_shared(u32 device, const Holder& shared);
  /// The device has left the table: what waits of it at its PASIDs ends, bound or not.
  void end_faults(const Holder& holder, u32 device);
  /// Everything was invalidated: what quarantine held is free.
  void recovered();

 private:
  enum class Wait : u8 { over, deadlock };
  Wait wait_for_handler(iommucheck_handle bond);
  Wait wait_for_handlers(u32 device);
  int end_bond(iommucheck_handle bond);
  int end_all(u32 device);
  template <class List, class Wanted>
  int end_uses(const List& uses, Wanted wanted);
  void private_use_ends(const Use& use, const IoMm& io_mm);
  int end_private(iommucheck_handle io_mm);

  const Platform& platform_;
  Backend& backend_;
  Devices& devices_;
  Domains& domains_;
  Pasids& pasids_;
  SvaDevices& sva_devices_;
  Processes& processes_;
  IoMms& io_mms_;
  Uses& uses_;
  Bonds& bonds_;
  Batch& batch_;
  Entries& entries_;
  Faults& faults_;
  Waiting& waiting_;
};

}  // namespace iommucheck::impl
