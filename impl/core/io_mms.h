// SPDX-License-Identifier: MIT
// Address spaces at PASIDs, of processes and private ones, by their numbers. One of a process
// exists while a bond or a use of it does, a private one until it is freed and no use of it is
// left.
#pragma once

#include "base/types.h"
#include "impl/core/backend.h"
#include "impl/core/index.h"
#include "impl/core/objects.h"
#include "impl/core/sva_devices.h"
#include "impl/platform/platform.h"
#include "impl/platform/pool.h"

namespace iommucheck::impl {

class Pasids;
class Processes;

class IoMms {
 public:
  IoMms(const Platform& platform, Backend& backend, Pasids& pasids, SvaDevices& sva_devices,
        Processes& processes)
      : platform_(platform),
        backend_(backend),
        pasids_(pasids),
        sva_devices_(sva_devices),
        processes_(processes) {}

  void shutdown();
  void held(iommucheck_held& held);

  iommucheck_handle handle(const IoMm& io_mm) const { return io_mms_.handle(io_mm); }
  IoMm* find(iommucheck_handle handle) { return io_mms_.find(handle); }
  template <class Visit>
  void for_each_used(Visit visit) {
    io_mms_.for_each_used(visit);
  }
  template <class Visit>
  void for_each_pasid(Visit visit) {
    io_mms_.for_each_used([&](const IoMm& io_mm) { visit(io_mm.pasid); });
  }
  /// Of private ones.
  template <class Visit>
  void for_each_space(Visit visit) {
    for (u32 i = 0; i < sva_devices_.count(); ++i) {
      sva_devices_[i].private_io_mms.for_each(io_mms_, [&](IoMm& io_mm) {
        if (io_mm.space != nullptr) visit(*io_mm.space);
      });
    }
  }
  /// Null: a plain number, or nobody is bound there and nothing stands there.
  IoMm* io_mm_of_number(u32 pasid);
  /// Whose space it is; null: it is gone.
  IoMm* io_mm_of_space(const Space& space) {
    return numbers_.find_if(io_mms_, space.pasid,
                            [&](const IoMm& its) { return its.space == &space; });
  }

  /// Hooks of the backend: both that tell of devices, and of the others both or neither.
  bool has_hooks() const;
  IoMm* new_io_mm(u32 device, u64 state, int* error);
  /// It joins the list of who made it, or of its process.
  void add_private(u32 device, IoMm& io_mm) {
    sva_devices_[device].private_io_mms.add(io_mms_, io_mm);
  }
  void add(Process& process, IoMm& io_mm) { process.io_mms.add(io_mms_, io_mm); }
  /// Frees an io_mm that nobody reaches any more and nobody is bound to.
  void reap(iommucheck_handle io_mm);

  /// The space of a private io_mm; null, and an error, for anything else.
  Space* private_space(iommucheck_handle io_mm, int* error);
  // Calls of driver.h.
  int get_pasid(iommucheck_handle io_mm, u32* pasid);
  int get_attr(iommucheck_handle io_mm, u32 attr, u64* value);

  /// What of who has them does not hold, between calls; null: all of it does.
  const char* inconsistency();

 private:
  int mm_alloc(iommucheck_handle io_mm);
  void mm_free(iommucheck_handle io_mm) {
    if (backend_.hooks().mm_free) backend_.mm_free(io_mm);
  }
  void release_io_mm(IoMm& io_mm);

  const Platform& platform_;
  Backend& backend_;
  Pasids& pasids_;
  SvaDevices& sva_devices_;
  Processes& processes_;
  Pool<IoMm> io_mms_;
  Index<IoMm> numbers_;
};

}  // namespace iommucheck::impl
