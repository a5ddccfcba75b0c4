// SPDX-License-Identifier: MIT
// Shared and private address spaces at PASIDs: io_mms, bonds, processes, exit. INTERFACE "PASID
// numbers", "Bind", "Exit"; SEMANTICS 5 "SVA".
//
// Invariants that the code relies on, and keeps:
//  - a number's word (impl/pasid/state.h) counts its bonds, its live uses (entries), its dead uses
//    (open) and its faults; so it is free exactly when none of them is left and its io_mm is gone;
//  - a use lives while a bond of a device of its table does, while mm_release waits (quiet), or
//    until its private io_mm is freed or leaves the device; it is dead only between a time-out and
//    recovered();
//  - an io_mm of a process exists while a bond or a use of it does, a process while an io_mm or a
//    call that waits does; its tag stays pinned while a use, live or dead, can bring it back;
//  - other calls run during wait(IOMMUCHECK_WAIT_CALLER), and only there: nothing is half-done
//    across it, and no pointer is used after it.
#pragma once

#include "base/types.h"
#include "impl/core/backend.h"
#include "impl/core/index.h"
#include "impl/core/objects.h"
#include "impl/pasid/allocator.h"
#include "impl/platform/platform.h"
#include "impl/platform/pool.h"

namespace iommucheck::impl {

class Core;

class Sva {
 public:
  Sva(const Platform& platform, Core& core) : platform_(platform), core_(core) {}

  /// `devices`: as many as the platform has. False: no memory.
  bool create(u32 devices);
  /// After everything was invalidated for good, and before tables are freed: forgets
  /// all but plain numbers.
  void shutdown();

  // The calls of driver.h; results and errors as stated there.
  int pasid_alloc(u32 min, u32 max, u32* pasid);
  int pasid_free(u32 pasid);
  /// Held, and nothing behind it: 0; EBUSY (a process or an io_mm has it), EINVAL.
  int check_plain(u32 pasid) const;
  int device_init(u32 device, bool can_wait, u32 features, u32 min, u32 max, bool has_mm_exit);
  int device_shutdown(u32 device);
  int bind_device(u32 device, const iommucheck_mm& mm, u32 flags, u64 drvdata, u32* pasid);
  int unbind_device(u32 device, u32 pasid);
  /// Until the handler of the bond there, if one runs, has returned. -EDEADLK: it is the caller.
  int wait_for_exit(u32 device, u32 pasid);
  int unbind_dev_all(u32 device);
  int drvdata(u32 device, u32 pasid, u64* drvdata);
  int io_mm_of(u32 device, u32 pasid, iommucheck_handle* io_mm);
  /// Of (device, pasid), 0 if there is none; and whether it is there still.
  iommucheck_handle bond_at(u32 device, u32 pasid);
  bool has_bond(iommucheck_handle bond) const { return bonds_.find(bond) != nullptr; }
  int mm_invalidate(iommucheck_handle mm, u64 start, u64 bytes);
  int mm_release(iommucheck_handle mm);
  int mm_exit_done(u32 device, u32 pasid, int status);
  int alloc_private(iommucheck_handle domain, u32 device, iommucheck_handle* io_mm);
  int free_private(iommucheck_handle domain, iommucheck_handle io_mm);
  int attach_private(iommucheck_handle io_mm, u32 device);
  int detach_private(iommucheck_handle io_mm, u32 device);
  int get_pasid(iommucheck_handle io_mm, u32* pasid);
  int get_attr(iommucheck_handle io_mm, u32 attr, u64* value);
  void held(iommucheck_held& held);

  /// The space of a private io_mm; null, and an error, for anything else.
  Space* private_space(iommucheck_handle io_mm, int* error);

  // What the core tells.
  /// Whether processes or private PASIDs of the device are bound.
  bool bound(u32 device);
  /// The device is gone: like unbind_dev_all, but nobody is waited for.
  int device_gone(u32 device);
  /// The last device has left the domain.
  int domain_left(iommucheck_handle domain);
  /// Devices joined or left the table: whether faults may wait there. Queues changes.
  void update_waits(const Holder& holder);
  /// The device has left the table: what waits of it at its PASIDs ends, bound or not.
  void end_faults(const Holder& holder, u32 device);
  /// Everything was invalidated: what quarantine held is free.
  void recovered();
  template <class Visit>
  void for_each_pasid(const Holder& holder, Visit visit) {
    uses_of(holder).for_each(uses_, [&](const Use& use) { visit(io_mms_.find(use.io_mm)->pasid); });
  }
  /// visit(holder) for the tables in which a private space stands; `dead`: those too in which a
  /// time-out has left it.
  template <class Visit>
  void for_each_holder(const Space& space, bool dead, Visit visit) {
    const IoMm* io_mm = numbers_.find_if(io_mms_, space.pasid,
                                         [&](const IoMm& its) { return its.space == &space; });
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
  /// visit(holder, pasid, entry) for all of them; null for dead ones, which are to be none.
  template <class Visit>
  void for_each_use(Visit visit) {
    uses_.for_each_used([&](const Use& use) {
      const Entry entry = use.dead ? Entry{} : entry_for(use);
      visit(use.holder, io_mms_.find(use.io_mm)->pasid, use.dead ? nullptr : &entry);
    });
  }
  /// The device gets a table of its own, to which nothing leads yet: what it was given itself
  /// stands there too. False: no memory, and nothing changed.
  bool copy_uses(u32 device, const Holder& shared, Table& table);
  /// It has not got it.
  void forget_copies(u32 device);
  /// It has: what nobody else was given goes from the table that it shared. 0, ETIMEDOUT.
  int left_shared(u32 device, const Holder& shared);
  template <class Visit>
  void for_each_pasid(Visit visit) {
    io_mms_.for_each_used([&](const IoMm& io_mm) { visit(io_mm.pasid); });
  }
  /// A fault of the device waits at `pasid`: true if it is to be answered with "again".
  bool answer_fault(u32 device, u32 pasid, u64 iova, u32 prot);
  /// Its faults there go to the caller's handler, or no longer. EINVAL, ESRCH.
  int set_fault_handler(u32 device, u32 pasid, bool present, u64 word);
  /// Of a process's bond with a fault handler; null: there is none.
  const Bond* fault_handler_of(u32 device, u32 pasid);
  /// Whether any bond of the device has one.
  bool has_fault_handler(u32 device) const { return devices_[device].fault_handlers != 0; }
  /// Whether its faults do not wait, for the sake of others that share its table.
  bool is_silenced(u32 device);
  /// Whether what the device reaches there is a process that lives.
  bool is_processes(u32 device, u32 pasid);
  /// By sva_device_init.
  bool has_asked_for_faults(u32 device) const {
    return devices_[device].ready && (devices_[device].features & IOMMUCHECK_SVA_IOPF) != 0;
  }
  /// Whether it was counted at its number: fault_ends() is then owed.
  bool fault_begins(u32 pasid) {
    return pasid != no_pasid && pasids_.apply(pasid, pasid::fault<u64>);
  }
  void fault_ends(u32 pasid) { pasids_.apply(pasid, pasid::answered<u64>); }
  template <class Visit>
  void for_each_space(Visit visit) {
    for (u32 i = 0; i < device_count_; ++i) {
      devices_[i].private_io_mms.for_each(io_mms_, [&](IoMm& io_mm) {
        if (io_mm.space != nullptr) visit(*io_mm.space);
      });
    }
  }

 private:
  Process* process_of(iommucheck_handle mm);
  IoMm* io_mm_of_number(u32 pasid);
  Bond* find_bond(u32 device, u32 pasid);
  UsesOfHolder& uses_of(const Holder& holder);
  Use* find_use(const IoMm& io_mm, const Holder& holder);
  IoMm* io_mm_at(u32 device, u32 pasid);
  bool has_given(u32 device, const IoMm& io_mm);
  bool wants_wait(const Use& use);
  Entry entry_for(const Use& use);

  // bind (bind.cpp)
  int join(u32 device, const iommucheck_mm& mm, u32 flags, u64 drvdata, u32* pasid);
  Process* make_process(const iommucheck_mm& mm, int* error);
  IoMm* make_io_mm(u32 device, Process& process, u32 flags, int* error);
  IoMm* new_io_mm(u32 device, u64 state, int* error);
  void release_io_mm(IoMm& io_mm);
  Bond* add_bond(u32 device, IoMm& io_mm, u64 drvdata);
  int make_use(iommucheck_handle io_mm, const Holder& holder);
  Use* new_use(iommucheck_handle io_mm, const Holder& holder);
  void release_use(Use& use);
  int update_use(Use& use);
  int enter_private(iommucheck_handle io_mm, u32 device);

  // the way back (unbind.cpp)
  enum class Wait : u8 { over, deadlock };
  Wait wait_for_handler(iommucheck_handle bond);
  Wait wait_for_handlers(u32 device);
  int end_bond(iommucheck_handle bond);
  int end_all(u32 device);
  void remove_bond(Bond& bond);
  template <class Uses, class Wanted>
  int end_uses(const Uses& uses, Wanted wanted);
  int end_uses_of(iommucheck_handle io_mm, const Holder& holder);
  void private_use_ends(const Use& use, const IoMm& io_mm);
  int end_private(iommucheck_handle io_mm);
  void reap(iommucheck_handle io_mm);
  void drop(Process& process);
  void unpin(Process& process);
  Tag tag_of(const IoMm& io_mm);

  // exit (exit.cpp)
  int stop_translating(iommucheck_handle process);
  void call_handlers(iommucheck_handle process);
  bool handlers_run(iommucheck_handle process);
  int end_process(iommucheck_handle process);

  Platform platform_;
  Core& core_;
  PasidAllocator pasids_;
  Pool<Process> processes_;
  Index<Process> process_index_;
  Pool<IoMm> io_mms_;
  Index<IoMm> numbers_;
  Pool<Use> uses_;
  Pool<Bond> bonds_;
  SvaDevice* devices_ = nullptr;
  u32 device_count_ = 0;
  UsesOfHolder nobodys_;  // stays empty
};

}  // namespace iommucheck::impl
