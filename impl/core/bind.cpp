// SPDX-License-Identifier: MIT
// The way in: processes and private address spaces get a PASID and an entry. INTERFACE "Bind",
// "Errors and their order".
#include "impl/core/core.h"

namespace iommucheck::impl {

/// A process that nobody is bound to yet. Where its translations carry what they do in the CPUs'
/// caches, that becomes a tag here.
Process* Sva::make_process(const iommucheck_mm& mm, int* error) {
  const u64 cpus = platform_.mm_pin(mm.mm);
  *error = -IOMMUCHECK_ESRCH;
  if (cpus == 0) return nullptr;
  Tag tag;
  Process* process = processes_.allocate(platform_);
  *error = process == nullptr ? -IOMMUCHECK_ENOMEM : core_.claim_tag(mm, cpus, &tag);
  if (*error != 0) {
    if (process != nullptr) processes_.release(*process);
    platform_.mm_unpin(mm.mm);
    return nullptr;
  }
  process->mm = mm;
  process->tag = tag;
  process->pinned = true;
  process->users = 1;
  process_index_.add(platform_, processes_, *process);
  return process;
}

/// One with a number of the device's range, made by the backend's hook if it has one, which also
/// undoes it where no number is left.
IoMm* Sva::new_io_mm(u32 device, u64 state, int* error) {
  const SvaDevice& sva = devices_[device];
  IoMm* io_mm = io_mms_.allocate(platform_);
  *error = -IOMMUCHECK_ENOMEM;
  if (io_mm == nullptr) return nullptr;
  *error = core_.mm_alloc(io_mms_.handle(*io_mm));
  if (*error != 0) {
    io_mms_.release(*io_mm);
    return nullptr;
  }
  *error = pasids_.allocate(platform_, sva.min_pasid, sva.max_pasid, state, &io_mm->pasid);
  if (*error != 0) {
    core_.mm_free(io_mms_.handle(*io_mm));
    io_mms_.release(*io_mm);
    return nullptr;
  }
  numbers_.add(platform_, io_mms_, *io_mm);
  return io_mm;
}

void Sva::release_io_mm(IoMm& io_mm) {
  core_.mm_free(io_mms_.handle(io_mm));
  numbers_.remove(io_mms_, io_mm);
  if (io_mm.process == 0) {
    devices_[io_mm.device].private_io_mms.remove(io_mms_, io_mm);
  } else if (Process* process = processes_.find(io_mm.process)) {
    process->io_mms.remove(io_mms_, io_mm);
  }
  io_mms_.release(io_mm);
}

/// The process's PASID, or with `further` a new one for this device.
IoMm* Sva::make_io_mm(u32 device, Process& process, u32 flags, int* error) {
  const SvaDevice& sva = devices_[device];
  const bool further = (flags & IOMMUCHECK_BIND_FURTHER_PASID) != 0;
  if (!further) {
    if (IoMm* shared = io_mms_.find(process.plain)) {
      const bool reached = shared->pasid >= sva.min_pasid && shared->pasid <= sva.max_pasid;
      *error = reached ? 0 : -IOMMUCHECK_ERANGE;
      return reached ? shared : nullptr;
    }
  }
  IoMm* io_mm = new_io_mm(device, pasid::process, error);
  if (io_mm == nullptr) return nullptr;
  io_mm->process = processes_.handle(process);
  io_mm->further = further;
  process.io_mms.add(io_mms_, *io_mm);
  if (!further) process.plain = io_mms_.handle(*io_mm);
  ++process.users;
  return io_mm;
}

Bond* Sva::add_bond(u32 device, IoMm& io_mm, u64 drvdata) {
  Bond* bond = bonds_.allocate(platform_);
  if (bond == nullptr) return nullptr;
  if (!pasids_.apply(io_mm.pasid, pasid::bind<u64>)) {
    bonds_.release(*bond);
    return nullptr;
  }
  bond->device = device;
  bond->io_mm = io_mms_.handle(io_mm);
  bond->references = 1;
  bond->drvdata = drvdata;
  devices_[device].bonds.add(bonds_, *bond);
  io_mm.bonds.add(bonds_, *bond);
  return bond;
}

/// Null: no memory.
Use* Sva::new_use(iommucheck_handle io_mm, const Holder& holder) {
  Use* use = uses_.allocate(platform_);
  if (use == nullptr) return nullptr;
  IoMm& its = *io_mms_.find(io_mm);
  use->io_mm = io_mm;
  use->holder = holder;
  its.uses.add(uses_, *use);
  uses_of(holder).add(uses_, *use);
  if (Process* process = processes_.find(its.process)) process->uses.add(uses_, *use);
  return use;
}

void Sva::release_use(Use& use) {
  IoMm& its = *io_mms_.find(use.io_mm);
  its.uses.remove(uses_, use);
  uses_of(use.holder).remove(uses_, use);
  if (Process* process = processes_.find(its.process)) process->uses.remove(uses_, use);
  uses_.release(use);
}

/// The entry of `io_mm` in the holder's table. On an error there is none; after a time-out it is
/// remembered as dead.
int Sva::make_use(iommucheck_handle handle, const Holder& holder) {
  IoMm& io_mm = *io_mms_.find(handle);
  if (int error = core_.reserve(holder, io_mm.pasid)) return error;
  Use* use = new_use(handle, holder);
  if (use == nullptr) return -IOMMUCHECK_ENOMEM;
  use->waits = wants_wait(*use);
  if (!pasids_.apply(io_mm.pasid, pasid::enter<u64>)) {
    release_use(*use);
    return -IOMMUCHECK_ENOMEM;
  }
  if (io_mm.process == 0) io_mm.space->cached = true;
  const int error = core_.enter(holder, io_mm.pasid, entry_for(*use));
  if (error != 0) {
    pasids_.apply(io_mm.pasid, pasid::clear<u64>);
    use->dead = true;
  }
  return error;
}

/// A device more, or less, is bound there.
int Sva::update_use(Use& use) {
  if (wants_wait(use) == use.waits) return 0;
  use.waits = !use.waits;
  core_.change(use.holder, io_mms_.find(use.io_mm)->pasid, entry_for(use));
  return core_.commit();
}

int Sva::join(u32 device, const iommucheck_mm& mm, u32 flags, u64 drvdata, u32* pasid) {
  int error = 0;
  Process* process = process_of(mm.mm);
  if (process != nullptr) {
    ++process->users;
  } else {
    process = make_process(mm, &error);
  }
  if (process == nullptr) return error;
  IoMm* io_mm = make_io_mm(device, *process, flags, &error);
  if (io_mm == nullptr) {
    drop(*process);
    return error;
  }
  const iommucheck_handle handle = io_mms_.handle(*io_mm);
  *pasid = io_mm->pasid;
  if (Bond* again = find_bond(device, io_mm->pasid)) {
    ++again->references;
    drop(*process);
    return 0;
  }
  error = core_.mm_attach(handle, device);
  Bond* bond = error != 0 ? nullptr : add_bond(device, *io_mm, drvdata);
  if (bond == nullptr) {
    if (error == 0) {
      core_.mm_detach(handle, device);
      error = -IOMMUCHECK_ENOMEM;
    }
    reap(handle);
  } else {
    const Holder holder = core_.holder_of(device);
    Use* use = find_use(*io_mm, holder);
    error = use != nullptr ? update_use(*use) : make_use(handle, holder);
    if (error != 0) {
      remove_bond(*bond);
      update_waits(holder);  // as it was without the bond
    }
  }
  drop(*process);
  return error;
}

int Sva::bind_device(u32 device, const iommucheck_mm& mm, u32 flags, u64 drvdata, u32* pasid) {
  if (!core_.device_present(device)) return -IOMMUCHECK_ENODEV;
  const bool known = (flags & ~IOMMUCHECK_BIND_FURTHER_PASID) == 0;
  if (!known || mm.mm == 0 || !core_.understands(mm)) return -IOMMUCHECK_EINVAL;
  if (!devices_[device].ready || core_.paging_domain(device) == 0) return -IOMMUCHECK_EINVAL;
  if (!core_.has_hooks()) return -IOMMUCHECK_ENODEV;
  const Process* process = process_of(mm.mm);
  if (process != nullptr && process->dying) return -IOMMUCHECK_ESRCH;
  if (int error = core_.ensure_settled()) return error;
  return join(device, mm, flags, drvdata, pasid);
}

// ---- devices that get a table of their own ----

/// Whether the device was given what stands at that number itself.
bool Sva::has_given(u32 device, const IoMm& io_mm) {
  if (io_mm.process == 0) return io_mm.device == device && !io_mm.gone;
  return find_bond(device, io_mm.pasid) != nullptr;
}

bool Sva::copy_uses(u32 device, const Holder& shared, Table& table) {
  bool all = true;
  uses_of(shared).for_each(uses_, [&](const Use& use) {
    const IoMm& io_mm = *io_mms_.find(use.io_mm);
    if (!all || use.dead || !has_given(device, io_mm)) return;
    Use* copy = new_use(use.io_mm, {.device = device});
    all = copy != nullptr;
    if (!all) return;
    copy->quiet = use.quiet;
    copy->waits = wants_wait(*copy);
    all = pasids_.apply(io_mm.pasid, pasid::enter<u64>);
    if (!all) {
      release_use(*copy);
    } else {
      all = core_.copy_entry(table, io_mm.pasid, entry_for(*copy));
    }
  });
  if (!all) forget_copies(device);
  return all;
}

/// The numbers have their holders still, whatever a time-out may have left there.
void Sva::forget_copies(u32 device) {
  devices_[device].uses.for_each(uses_, [&](Use& use) {
    const u32 pasid = io_mms_.find(use.io_mm)->pasid;
    pasids_.apply(pasid, pasid::clear<u64>);
    pasids_.apply(pasid, pasid::forgotten<u64>);
    release_use(use);
  });
}

// ---- private address spaces ----

int Sva::alloc_private(iommucheck_handle domain, u32 device, iommucheck_handle* handle) {
  if (!core_.device_present(device)) return -IOMMUCHECK_ENODEV;
  const SvaDevice& sva = devices_[device];
  const bool asked = sva.ready && (sva.features & IOMMUCHECK_SVA_PRIVATE) != 0;
  if (!asked || domain == 0 || core_.paging_domain(device) != domain) {
    return -IOMMUCHECK_EINVAL;
  }
  if (!core_.has_hooks()) return -IOMMUCHECK_ENODEV;
  if (int error = core_.ensure_settled()) return error;
  int error = 0;
  IoMm* io_mm = new_io_mm(device, pasid::private_space, &error);
  if (io_mm == nullptr) return error;
  *handle = io_mms_.handle(*io_mm);
  io_mm->device = device;
  devices_[device].private_io_mms.add(io_mms_, *io_mm);
  error = core_.open_space(domain, io_mm->pasid, &io_mm->space);
  if (error == 0) error = enter_private(*handle, device);
  if (error != 0) {
    io_mm->gone = true;
    reap(*handle);
  }
  return error;
}

/// The device gets to it: the hook, then the entry.
int Sva::enter_private(iommucheck_handle handle, u32 device) {
  if (int error = core_.mm_attach(handle, device)) return error;
  const int error = make_use(handle, core_.holder_of(device));
  if (error != 0) core_.mm_detach(handle, device);
  return error;
}

/// INTERFACE "Bind": tables per device. Attached already: nothing to do.
int Sva::attach_private(iommucheck_handle handle, u32 device) {
  if (!core_.device_present(device)) return -IOMMUCHECK_ENODEV;
  int error = 0;
  const Space* space = private_space(handle, &error);
  if (space == nullptr) return error;
  const SvaDevice& sva = devices_[device];
  const bool asked = sva.ready && (sva.features & IOMMUCHECK_SVA_PRIVATE) != 0;
  if (!asked || core_.paging_domain(device) != space->domain) return -IOMMUCHECK_EINVAL;
  if (space->pasid < sva.min_pasid || space->pasid > sva.max_pasid) return -IOMMUCHECK_ERANGE;
  const Holder holder = core_.holder_of(device);
  if (find_use(*io_mms_.find(handle), holder) != nullptr) return 0;
  if ((error = core_.ensure_settled()) != 0) return error;
  return enter_private(handle, device);
}

int Sva::detach_private(iommucheck_handle handle, u32 device) {
  if (!core_.device_present(device)) return -IOMMUCHECK_ENODEV;
  int error = 0;
  if (private_space(handle, &error) == nullptr) return error;
  const Holder holder = core_.holder_of(device);
  if (find_use(*io_mms_.find(handle), holder) == nullptr) return -IOMMUCHECK_EINVAL;
  return end_uses_of(handle, holder);
}

Space* Sva::private_space(iommucheck_handle handle, int* error) {
  IoMm* io_mm = io_mms_.find(handle);
  const bool known = io_mm != nullptr && !io_mm->gone;
  *error = known ? (io_mm->process == 0 ? 0 : -IOMMUCHECK_ENODEV) : -IOMMUCHECK_EINVAL;
  return *error == 0 ? io_mm->space : nullptr;
}

int Sva::get_pasid(iommucheck_handle io_mm, u32* pasid) {
  int error = 0;
  const Space* space = private_space(io_mm, &error);
  if (space != nullptr) *pasid = space->pasid;
  return error;
}

int Sva::get_attr(iommucheck_handle io_mm, u32 attr, u64* value) {
  int error = 0;
  const Space* space = private_space(io_mm, &error);
  if (space == nullptr) return error;
  switch (attr) {
    case IOMMUCHECK_ATTRIBUTE_TTBR0: *value = space->table_pa; return 0;
    case IOMMUCHECK_ATTRIBUTE_PASID: *value = space->pasid; return 0;
    default: return -IOMMUCHECK_EINVAL;
  }
}

}  // namespace iommucheck::impl
