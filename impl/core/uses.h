// SPDX-License-Identifier: MIT
// Entries of io_mms in tables. A use lives while a bond of a device of its table does, while
// mm_release waits (quiet), or until its private io_mm is freed or leaves the device; it is dead
// only between a time-out and recovery. Each is in the lists of its io_mm, its table, its process.
#pragma once

#include "base/types.h"
#include "impl/core/backend.h"
#include "impl/core/io_mms.h"
#include "impl/core/objects.h"
#include "impl/core/sva_devices.h"
#include "impl/platform/platform.h"
#include "impl/platform/pool.h"

namespace iommucheck::impl {

class Domains;
class Processes;

class Uses {
 public:
  Uses(const Platform& platform, SvaDevices& sva_devices, Processes& processes, IoMms& io_mms,
       Domains& domains)
      : platform_(platform),
        sva_devices_(sva_devices),
        processes_(processes),
        io_mms_(io_mms),
        domains_(domains) {}

  void shutdown();

  iommucheck_handle handle(const Use& use) const { return uses_.handle(use); }
  Use* find(iommucheck_handle handle) { return uses_.find(handle); }
  template <class Visit>
  void for_each_used(Visit visit) {
    uses_.for_each_used(visit);
  }
  UsesOfHolder& uses_of(const Holder& holder);
  Use* find_use(const IoMm& io_mm, const Holder& holder);
  Use* new_use(iommucheck_handle io_mm, const Holder& holder);
  void release_use(Use& use);

  Entry entry_for(const Use& use);
  Tag tag_of(const IoMm& io_mm);
  template <class Visit>
  void for_each_pasid(const Holder& holder, Visit visit) {
    uses_of(holder).for_each(uses_, [&](const Use& use) { visit(io_mms_.find(use.io_mm)->pasid); });
  }
  /// visit(holder) for the tables in which a private space stands; `dead`: those too in which a
  /// time-out has left it.
  template <class Visit>
  void for_each_holder(const Space& space, bool dead, Visit visit) {
    const IoMm* io_mm = io_mms_.io_mm_of_space(space);
    if (io_mm == nullptr) return;
    io_mm->uses.for_each(uses_, [&](const Use& use) {
      if (dead || !use.dead) visit(use.holder);
    });
  }
  /// visit(pasid, entry) for what stands in a table.
  template <class Visit>
  void for_each_entry(const Holder& holder, Visit visit) {
    uses_of(holder).for_each(uses_, [&](const Use& use) {
      if (!use.dead) visit(io_mms_.find(use.io_mm)->pasid, entry_for(use));
    });
  }
  /// visit(holder, pasid, entry) for all that have a place; null for dead ones, which are to be
  /// none.
  template <class Visit>
  void for_each_use(Visit visit) {
    uses_.for_each_used([&](const Use& use) {
      if (!use.placed) return;
      const Entry entry = use.dead ? Entry{} : entry_for(use);
      visit(use.holder, io_mms_.find(use.io_mm)->pasid, use.dead ? nullptr : &entry);
    });
  }

  /// What does not hold, between calls, where something is `owed` or not; null: all of it does.
  const char* inconsistency(bool owed);

 private:
  const Platform& platform_;
  SvaDevices& sva_devices_;
  Processes& processes_;
  IoMms& io_mms_;
  Domains& domains_;
  Pool<Use> uses_;
  UsesOfHolder nobodys_;  // stays empty
};

}  // namespace iommucheck::impl
