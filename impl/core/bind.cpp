// SPDX-License-Identifier: MIT
#include "impl/core/bind.h"

#include "impl/core/batch.h"
#include "impl/core/bonds.h"
#include "impl/core/devices.h"
#include "impl/core/domains.h"
#include "impl/core/entries.h"
#include "impl/core/io_mms.h"
#include "impl/core/own_tables.h"
#include "impl/core/pasids.h"
#include "impl/core/processes.h"
#include "impl/core/sva_devices.h"
#include "impl/core/unbind.h"
#include "impl/core/uses.h"
#include "impl/core/waiting.h"

namespace iommucheck::impl {

/// A process that nobody is bound to yet. Where its translations carry what they do in the CPUs'
/// caches, that becomes a tag here.
Process* Binding::make_process(const iommucheck_mm& mm, int* error) {
  const u64 cpus = platform_.mm_pin(mm.mm);
  *error = -IOMMUCHECK_ESRCH;
  if (cpus == 0) return nullptr;
  Tag tag;
  Process* process = processes_.allocate();
  *error = process == nullptr ? -IOMMUCHECK_ENOMEM : entries_.claim_tag(mm, cpus, &tag);
  if (*error != 0) {
    if (process != nullptr) processes_.release(*process);
    platform_.mm_unpin(mm.mm);
    return nullptr;
  }
  process->mm = mm;
  process->tag = tag;
  process->pinned = true;
  process->users = 1;
  processes_.add(*process);
  return process;
}

/// The process's PASID, or with `further` a new one for this device.
IoMm* Binding::make_io_mm(u32 device, Process& process, u32 flags, int* error) {
  const SvaDevice& sva = sva_devices_[device];
  const bool further = (flags & IOMMUCHECK_BIND_FURTHER_PASID) != 0;
  if (!further) {
    if (IoMm* shared = io_mms_.find(process.plain)) {
      const bool reached = shared->pasid >= sva.min_pasid && shared->pasid <= sva.max_pasid;
      *error = reached ? 0 : -IOMMUCHECK_ERANGE;
      return reached ? shared : nullptr;
    }
  }
  IoMm* io_mm = io_mms_.new_io_mm(device, pasid::process, error);
  if (io_mm == nullptr) return nullptr;
  io_mm->process = processes_.handle(process);
  io_mm->further = further;
  io_mms_.add(process, *io_mm);
  if (!further) process.plain = io_mms_.handle(*io_mm);
  ++process.users;
  return io_mm;
}

int Binding::make_use(iommucheck_handle handle, const Holder& holder) {
  IoMm& io_mm = *io_mms_.find(handle);
  int error = entries_.reserve(holder, io_mm.pasid);
  const bool in_time = error != -IOMMUCHECK_ETIMEDOUT;
  if (error != 0 && in_time) return error;
  Use* use = uses_.new_use(handle, holder);
  if (use == nullptr) return in_time ? -IOMMUCHECK_ENOMEM : error;
  use->placed = in_time;
  use->waits = waiting_.wants_wait(*use);
  if (!pasids_.apply(io_mm.pasid, pasid::enter<u64>)) {
    uses_.release_use(*use);
    return in_time ? -IOMMUCHECK_ENOMEM : error;
  }
  if (in_time) {
    if (io_mm.process == 0) io_mm.space->cached = true;
    error = entries_.enter(holder, io_mm.pasid, uses_.entry_for(*use));
  }
  // INTERFACE "Timeouts and removal": the number stays held until recovery.
  if (error != 0) {
    pasids_.apply(io_mm.pasid, pasid::clear<u64>);
    use->dead = true;
  }
  return error;
}

int Binding::join(u32 device, const iommucheck_mm& mm, u32 flags, u64 drvdata, u32* pasid) {
  int error = 0;
  Process* process = processes_.process_of(mm.mm);
  if (process != nullptr) {
    ++process->users;
  } else {
    process = make_process(mm, &error);
  }
  if (process == nullptr) return error;
  IoMm* io_mm = make_io_mm(device, *process, flags, &error);
  if (io_mm == nullptr) {
    processes_.drop(*process);
    return error;
  }
  const iommucheck_handle handle = io_mms_.handle(*io_mm);
  *pasid = io_mm->pasid;
  if (Bond* again = bonds_.find_bond(device, io_mm->pasid)) {
    ++again->references;
    processes_.drop(*process);
    return 0;
  }
  error = backend_.mm_attach(handle, device);
  Bond* bond = error != 0 ? nullptr : bonds_.add_bond(device, *io_mm, drvdata);
  if (bond == nullptr) {
    if (error == 0) {
      backend_.mm_detach(handle, device);
      error = -IOMMUCHECK_ENOMEM;
    }
    io_mms_.reap(handle);
  } else {
    const Holder holder = domains_.holder_of(device);
    Use* use = uses_.find_use(*io_mm, holder);
    error = use != nullptr ? waiting_.update_use(*use) : make_use(handle, holder);
    if (error != 0) {
      unbinding_.remove_bond(*bond);
      waiting_.update_waits(holder);  // as it was without the bond
    }
  }
  processes_.drop(*process);
  return error;
}

bool Binding::users_have_the_pasids(u32 device) const {
  const Domain* rid = domains_.find(devices_[device].domain);
  return rid != nullptr && rid->kind == IOMMUCHECK_DOMAIN_NESTED_PASID &&
         domains_.takes_pasids(*rid);
}

int Binding::bind_device(u32 device, const iommucheck_mm& mm, u32 flags, u64 drvdata, u32* pasid) {
  if (!devices_.present(device)) return -IOMMUCHECK_ENODEV;
  const bool known = (flags & ~IOMMUCHECK_BIND_FURTHER_PASID) == 0;
  if (!known || mm.mm == 0 || !backend_.understands(mm)) return -IOMMUCHECK_EINVAL;
  if (sva_devices_[device].ready && users_have_the_pasids(device)) return -IOMMUCHECK_EBUSY;
  if (!sva_devices_[device].ready || domains_.paging_domain(device) == 0) return -IOMMUCHECK_EINVAL;
  if (!io_mms_.has_hooks()) return -IOMMUCHECK_ENODEV;
  const Process* process = processes_.process_of(mm.mm);
  if (process != nullptr && process->dying) return -IOMMUCHECK_ESRCH;
  if (int error = batch_.ensure_settled()) return error;
  return join(device, mm, flags, drvdata, pasid);
}

bool Binding::copy_uses(u32 device, const Holder& shared, Table& table) {
  bool all = true;
  uses_.uses_of(shared).for_each(uses_, [&](const Use& use) {
    const IoMm& io_mm = *io_mms_.find(use.io_mm);
    if (!all || use.dead || !bonds_.has_given(device, io_mm)) return;
    Use* copy = uses_.new_use(use.io_mm, {.device = device});
    all = copy != nullptr;
    if (!all) return;
    copy->quiet = use.quiet;
    copy->waits = waiting_.wants_wait(*copy);
    all = pasids_.apply(io_mm.pasid, pasid::enter<u64>);
    if (!all) {
      uses_.release_use(*copy);
    } else {
      all = tables_.copy_entry(table, io_mm.pasid, uses_.entry_for(*copy));
    }
  });
  if (!all) forget_copies(device);
  return all;
}

/// The numbers have their holders still, whatever a time-out may have left there.
void Binding::forget_copies(u32 device) {
  sva_devices_[device].uses.for_each(uses_, [&](Use& use) {
    const u32 pasid = io_mms_.find(use.io_mm)->pasid;
    pasids_.apply(pasid, pasid::clear<u64>);
    pasids_.apply(pasid, pasid::forgotten<u64>);
    uses_.release_use(use);
  });
}

}  // namespace iommucheck::impl
