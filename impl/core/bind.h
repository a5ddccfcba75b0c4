// SPDX-License-Identifier: MIT
// The way in: processes get a PASID and an entry, and so do devices that get a table of their own.
// INTERFACE "Bind", "Errors and their order".
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
class IoMms;
class OwnTables;
class Pasids;
class Processes;
class SvaDevices;
class Unbinding;
class Uses;
class Waiting;

class Binding {
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
    OwnTables& tables;
    Waiting& waiting;
    Unbinding& unbinding;
  };
  Binding(const Platform& platform, Backend& backend, const Parts& parts)
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
        tables_(parts.tables),
        waiting_(parts.waiting),
        unbinding_(parts.unbinding) {}

  /// As stated in driver.h.
  int bind_device(u32 device, const iommucheck_mm& mm, u32 flags, u64 drvdata, u32* pasid);

  /// The entry of `io_mm` in the holder's table. On an error there is none; after a time-out it is
  /// remembered as dead.
  int make_use(iommucheck_handle handle, const Holder& holder);
  /// The device gets a table of its own, to which nothing leads yet: what it was given itself
  /// stands there too. False: no memory, and nothing changed.
  bool copy_uses(u32 device, const Holder& shared, Table& table);
  /// It has not got it.
  void forget_copies(u32 device);
  /// The RID's own PASID table is in a user's memory: the host has none there.
  bool users_have_the_pasids(u32 device) const;

 private:
  int join(u32 device, const iommucheck_mm& mm, u32 flags, u64 drvdata, u32* pasid);
  Process* make_process(const iommucheck_mm& mm, int* error);
  IoMm* make_io_mm(u32 device, Process& process, u32 flags, int* error);

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
  OwnTables& tables_;
  Waiting& waiting_;
  Unbinding& unbinding_;
};

}  // namespace iommucheck::impl
