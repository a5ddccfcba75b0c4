// SPDX-License-Identifier: MIT
// The way back: unbinding, freeing, and what a time-out leaves. INTERFACE "Bind", "Timeouts and
// removal"; SEMANTICS 5 "PASID leaves quarantine".
#include "impl/core/core.h"

namespace iommucheck::impl {

/// Waits until the bond's mm_exit has returned, or the time for that is over; other calls run
/// meanwhile. `deadlock`, without waiting, for a call from inside that handler.
Sva::Wait Sva::wait_for_handler(iommucheck_handle handle) {
  const u64 caller = platform_.context();
  for (;;) {
    const Bond* bond = bonds_.find(handle);
    if (bond == nullptr || bond->handler == 0) return Wait::over;
    if (bond->handler == caller) return Wait::deadlock;
    if (!platform_.wait_for_caller()) return Wait::over;
  }
}

/// The same for all bonds of the device.
Sva::Wait Sva::wait_for_handlers(u32 device) {
  const u64 caller = platform_.context();
  for (;;) {
    bool running = false;
    bool inside = false;
    devices_[device].bonds.for_each(bonds_, [&](const Bond& bond) {
      if (bond.handler == 0) return;
      running = true;
      inside |= bond.handler == caller;
    });
    if (inside) return Wait::deadlock;
    if (!running || !platform_.wait_for_caller()) return Wait::over;
  }
}

/// The device of the bond has said "done".
void Sva::remove_bond(Bond& bond) {
  const iommucheck_handle io_mm = bond.io_mm;
  IoMm& its = *io_mms_.find(io_mm);
  SvaDevice& sva = devices_[bond.device];
  sva.bonds.remove(bonds_, bond);
  its.bonds.remove(bonds_, bond);
  if (bond.has_fault_handler) --sva.fault_handlers;
  pasids_.apply(its.pasid, pasid::done<u64>);
  core_.mm_detach(io_mm, bond.device);
  bonds_.release(bond);
  reap(io_mm);
}

/// Takes the entries of all wanted uses of a list away: entry, translations, translations in
/// devices, each complete before the next. ETIMEDOUT: they are dead until recovered().
template <class Uses, class Wanted>
int Sva::end_uses(const Uses& uses, Wanted wanted) {
  const auto for_each = [&](bool dead, auto visit) {
    bool any = false;
    uses.for_each(uses_, [&](Use& use) {
      if (use.dead != dead || !wanted(use)) return;
      any = true;
      visit(use, *io_mms_.find(use.io_mm));
    });
    return any;
  };
  const bool any = for_each(false, [&](Use& use, const IoMm& io_mm) {
    core_.clear(use.holder, io_mm.pasid);
    pasids_.apply(io_mm.pasid, pasid::clear<u64>);
    use.dead = true;
    private_use_ends(use, io_mm);
  });
  // They may have been ended before, by a Release that has timed out.
  if (!any) return core_.ensure_settled();
  // A commit that had to recover has ended them already; then the rest finds nothing to do.
  if (int error = core_.commit()) return error;
  for_each(true, [&](const Use& use, const IoMm& io_mm) {
    core_.drop_translations(tag_of(io_mm), [&](auto at) { at(use.holder, io_mm.pasid); });
  });
  if (int error = core_.commit()) return error;
  for_each(true, [&](const Use& use, const IoMm& io_mm) {
    core_.drop_device_translations(use.holder, io_mm.pasid);
  });
  if (int error = core_.commit()) return error;
  for_each(true, [&](Use& use, const IoMm& io_mm) {
    // Handlers of faults may call the driver, and that may have ended it as well.
    const iommucheck_handle handle = uses_.handle(use);
    core_.end_holder_faults(use.holder, io_mm.pasid);
    if (uses_.find(handle) == nullptr) return;
    const iommucheck_handle its = use.io_mm;
    pasids_.apply(io_mm.pasid, pasid::forgotten<u64>);
    release_use(use);
    reap(its);
  });
  return core_.ensure_settled();  // not every answer may have got through
}

/// Tells the hook, unless the device reaches the private space by another entry still. Of a
/// process's each bond tells for itself.
void Sva::private_use_ends(const Use& use, const IoMm& io_mm) {
  if (io_mm.process != 0) return;
  const auto device_of = [&](const Use& its) {
    return its.holder.is_own() ? its.holder.device : io_mm.device;
  };
  const Use* other = io_mm.uses.find_if(
      uses_, [&](const Use& its) { return !its.dead && device_of(its) == device_of(use); });
  if (other == nullptr) core_.mm_detach(use.io_mm, device_of(use));
}

int Sva::end_uses_of(iommucheck_handle io_mm, const Holder& holder) {
  return end_uses(io_mms_.find(io_mm)->uses,
                  [&](const Use& use) { return use.io_mm == io_mm && use.holder == holder; });
}

/// Unbinds, whatever the count of references and whether a handler runs.
int Sva::end_bond(iommucheck_handle handle) {
  const Bond& bond = *bonds_.find(handle);
  const u32 device = bond.device;
  const iommucheck_handle io_mm = bond.io_mm;
  const IoMm& its = *io_mms_.find(io_mm);
  const u32 pasid = its.pasid;
  const Holder holder = core_.holder_of(device);
  // The last one of the table takes the entry along; the bond goes last, and the number with it.
  const bool others = its.bonds.find_if(bonds_, [&](const Bond& other) {
    return &other != &bond && core_.holder_of(other.device) == holder;
  }) != nullptr;
  int error = 0;
  if (!others) {
    error = end_uses_of(io_mm, holder);
  } else {
    // Recovery first: it reads faults as well, and hands them to who is bound.
    error = core_.ensure_settled();
    core_.end_device_faults(device, pasid);
    if (error == 0) error = core_.ensure_settled();
  }
  if (Bond* still = bonds_.find(handle)) remove_bond(*still);
  IoMm* left = io_mms_.find(io_mm);
  Use* use = left == nullptr ? nullptr : find_use(*left, holder);
  if (use != nullptr && error == 0) error = update_use(*use);
  return error;
}

int Sva::end_private(iommucheck_handle handle) {
  IoMm& io_mm = *io_mms_.find(handle);
  io_mm.gone = true;
  const int error = end_uses(io_mm.uses, [&](const Use& use) { return use.io_mm == handle; });
  reap(handle);
  return error;
}

/// All bonds and private address spaces of the device. The first error; the rest is done as well.
int Sva::end_all(u32 device) {
  SvaDevice& sva = devices_[device];
  int error = 0;
  while (!sva.bonds.empty()) {
    const int failed = end_bond(sva.bonds.first());
    if (error == 0) error = failed;
  }
  sva.private_io_mms.for_each(io_mms_, [&](const IoMm& io_mm) {
    if (io_mm.gone) return;
    const int failed = end_private(io_mms_.handle(io_mm));
    if (error == 0) error = failed;
  });
  // What others have made, and it was attached to.
  const auto living = [](const Use& use) { return !use.dead; };
  if (sva.uses.find_if(uses_, living) == nullptr) return error;
  const int failed = end_uses(sva.uses, [](const Use&) { return true; });
  return error != 0 ? error : failed;
}

/// Frees an io_mm that nobody reaches any more and nobody is bound to.
void Sva::reap(iommucheck_handle handle) {
  IoMm* io_mm = io_mms_.find(handle);
  if (io_mm == nullptr || (io_mm->process == 0 && !io_mm->gone)) return;
  if (!io_mm->bonds.empty() || !io_mm->uses.empty()) return;
  pasids_.apply(io_mm->pasid, pasid::release<u64>);
  Process* process = processes_.find(io_mm->process);
  if (io_mm->space != nullptr) core_.close_space(*io_mm->space);
  release_io_mm(*io_mm);
  if (process != nullptr) drop(*process);
}

/// A user of the process less.
void Sva::drop(Process& process) {
  if (--process.users != 0) return;
  unpin(process);
  process_index_.remove(processes_, process);
  processes_.release(process);
}

/// Gives the tag back that nothing carries any more.
void Sva::unpin(Process& process) {
  if (!process.pinned || !process.uses.empty()) return;
  process.pinned = false;
  core_.release_tag(process.tag);
  platform_.mm_unpin(process.mm.mm);
}

int Sva::unbind_device(u32 device, u32 pasid) {
  if (!core_.device_present(device)) return -IOMMUCHECK_ENODEV;
  Bond* bond = find_bond(device, pasid);
  if (bond == nullptr) return -IOMMUCHECK_EINVAL;
  const iommucheck_handle handle = bonds_.handle(*bond);
  if (wait_for_handler(handle) == Wait::deadlock) return -IOMMUCHECK_EDEADLK;
  bond = bonds_.find(handle);
  if (bond == nullptr || --bond->references != 0) return 0;
  return end_bond(handle);
}

int Sva::wait_for_exit(u32 device, u32 pasid) {
  const Bond* bond = find_bond(device, pasid);
  if (bond == nullptr) return 0;
  return wait_for_handler(bonds_.handle(*bond)) == Wait::deadlock ? -IOMMUCHECK_EDEADLK : 0;
}

int Sva::unbind_dev_all(u32 device) {
  if (!core_.device_present(device)) return -IOMMUCHECK_ENODEV;
  if (wait_for_handlers(device) == Wait::deadlock) return -IOMMUCHECK_EDEADLK;
  return end_all(device);
}

int Sva::device_gone(u32 device) {
  const int error = end_all(device);
  devices_[device].ready = false;
  return error;
}

int Sva::free_private(iommucheck_handle domain, iommucheck_handle handle) {
  const IoMm* io_mm = io_mms_.find(handle);
  if (io_mm == nullptr || io_mm->gone || io_mm->process != 0) return -IOMMUCHECK_EINVAL;
  if (io_mm->space->domain != domain) return -IOMMUCHECK_EINVAL;
  return end_private(handle);
}

int Sva::domain_left(iommucheck_handle domain) {
  const Holder holder = {.domain = domain};
  return end_uses(uses_of(holder), [&](const Use& use) { return use.holder == holder; });
}

int Sva::end_process(iommucheck_handle handle) {
  const Process& process = *processes_.find(handle);
  const int error = end_uses(process.uses, [](const Use&) { return true; });
  process.io_mms.for_each(io_mms_, [&](const IoMm& io_mm) {
    const iommucheck_handle its = io_mms_.handle(io_mm);
    io_mm.bonds.for_each(bonds_, [&](Bond& bond) {
      if (bond.done) remove_bond(bond);
    });
    if (io_mms_.find(its) == nullptr) return;
    // Who has not said "done" keeps the number in quarantine.
    pasids_.apply(io_mm.pasid, pasid::release<u64>);
    reap(its);
  });
  return error;
}

int Sva::left_shared(u32 device, const Holder& shared) {
  UsesOfHolder& uses = uses_of(shared);
  uses.for_each(uses_, [&](const Use& use) {
    const IoMm& io_mm = *io_mms_.find(use.io_mm);
    if (!has_given(device, io_mm)) core_.end_device_faults(device, io_mm.pasid);
  });
  const int error = end_uses(uses, [&](const Use& use) {
    const IoMm& io_mm = *io_mms_.find(use.io_mm);
    if (use.holder != shared || !has_given(device, io_mm)) return false;
    return io_mm.bonds.find_if(bonds_, [&](const Bond& bond) {
      return core_.holder_of(bond.device) == shared;
    }) == nullptr;
  });
  // It has left in either case: who stays may wait again.
  update_waits(shared);
  return error != 0 ? error : core_.commit();
}

void Sva::end_faults(const Holder& holder, u32 device) {
  uses_of(holder).for_each(uses_, [&](const Use& use) {
    core_.end_device_faults(device, io_mms_.find(use.io_mm)->pasid);
  });
}

void Sva::recovered() {
  uses_.for_each_used([&](Use& use) {
    if (!use.dead) return;
    const u32 pasid = io_mms_.find(use.io_mm)->pasid;
    // Whoever waited for this commit finds nothing to do any more: its faults end here.
    const iommucheck_handle handle = uses_.handle(use);
    core_.end_holder_faults(use.holder, pasid);
    if (uses_.find(handle) == nullptr) return;
    pasids_.apply(pasid, pasid::forgotten<u64>);
    release_use(use);
  });
  io_mms_.for_each_used([&](const IoMm& io_mm) { reap(io_mms_.handle(io_mm)); });
  processes_.for_each_used([&](Process& process) {
    if (process.ended) unpin(process);
  });
}

}  // namespace iommucheck::impl
