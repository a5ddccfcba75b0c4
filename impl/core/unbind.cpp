// SPDX-License-Identifier: MIT
#include "impl/core/unbind.h"

#include "impl/core/batch.h"
#include "impl/core/bonds.h"
#include "impl/core/devices.h"
#include "impl/core/domains.h"
#include "impl/core/entries.h"
#include "impl/core/faults.h"
#include "impl/core/io_mms.h"
#include "impl/core/pasids.h"
#include "impl/core/processes.h"
#include "impl/core/sva_devices.h"
#include "impl/core/uses.h"
#include "impl/core/waiting.h"

namespace iommucheck::impl {

/// Waits until the bond's mm_exit has returned, or the time for that is over; other calls run
/// meanwhile. `deadlock`, without waiting, for a call from inside that handler.
Unbinding::Wait Unbinding::wait_for_handler(iommucheck_handle handle) {
  const u64 caller = platform_.context();
  for (;;) {
    const Bond* bond = bonds_.find(handle);
    if (bond == nullptr || bond->handler == 0) return Wait::over;
    if (bond->handler == caller) return Wait::deadlock;
    if (!platform_.wait_for_caller()) return Wait::over;
  }
}

/// The same for all bonds of the device.
Unbinding::Wait Unbinding::wait_for_handlers(u32 device) {
  const u64 caller = platform_.context();
  for (;;) {
    bool running = false;
    bool inside = false;
    sva_devices_[device].bonds.for_each(bonds_, [&](const Bond& bond) {
      if (bond.handler == 0) return;
      running = true;
      inside |= bond.handler == caller;
    });
    if (inside) return Wait::deadlock;
    if (!running || !platform_.wait_for_caller()) return Wait::over;
  }
}

/// The device of the bond has said "done".
void Unbinding::remove_bond(Bond& bond) {
  const iommucheck_handle io_mm = bond.io_mm;
  bonds_.take_out(bond);
  backend_.mm_detach(io_mm, bond.device);
  bonds_.release(bond);
  io_mms_.reap(io_mm);
}

/// Takes the entries of all wanted uses of a list away: entry, translations, translations in
/// devices, each complete before the next. ETIMEDOUT: they are dead until recovered().
template <class Uses, class Wanted>
int Unbinding::end_uses(const Uses& uses, Wanted wanted) {
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
    entries_.clear(use.holder, io_mm.pasid);
    pasids_.apply(io_mm.pasid, pasid::clear<u64>);
    use.dead = true;
    private_use_ends(use, io_mm);
  });
  // They may have been ended before, by a Release that has timed out.
  if (!any) return batch_.ensure_settled();
  // A commit that had to recover has ended them already; then the rest finds nothing to do.
  if (int error = batch_.commit()) return error;
  for_each(true, [&](const Use& use, const IoMm& io_mm) {
    batch_.drop_translations(uses_.tag_of(io_mm), [&](auto at) { at(use.holder, io_mm.pasid); });
  });
  if (int error = batch_.commit()) return error;
  for_each(true, [&](const Use& use, const IoMm& io_mm) {
    batch_.drop_device_translations(use.holder, io_mm.pasid);
  });
  if (int error = batch_.commit()) return error;
  for_each(true, [&](Use& use, const IoMm& io_mm) {
    // Handlers of faults may call the driver, and that may have ended it as well.
    const iommucheck_handle handle = uses_.handle(use);
    faults_.end_holder_faults(use.holder, io_mm.pasid);
    if (uses_.find(handle) == nullptr) return;
    const iommucheck_handle its = use.io_mm;
    pasids_.apply(io_mm.pasid, pasid::forgotten<u64>);
    uses_.release_use(use);
    io_mms_.reap(its);
  });
  return batch_.ensure_settled();  // not every answer may have got through
}

/// Tells the hook, unless the device reaches the private space by another entry still. Of a
/// process's each bond tells for itself.
void Unbinding::private_use_ends(const Use& use, const IoMm& io_mm) {
  if (io_mm.process != 0) return;
  const auto device_of = [&](const Use& its) {
    return its.holder.is_own() ? its.holder.device : io_mm.device;
  };
  const Use* other = io_mm.uses.find_if(
      uses_, [&](const Use& its) { return !its.dead && device_of(its) == device_of(use); });
  if (other == nullptr) backend_.mm_detach(use.io_mm, device_of(use));
}

void Unbinding::detach_all() {
  bonds_.for_each_used([&](const Bond& bond) { backend_.mm_detach(bond.io_mm, bond.device); });
  uses_.for_each_used([&](Use& use) {
    if (use.dead) return;
    use.dead = true;
    private_use_ends(use, *io_mms_.find(use.io_mm));
  });
}

int Unbinding::end_uses_of(iommucheck_handle io_mm, const Holder& holder) {
  return end_uses(io_mms_.find(io_mm)->uses,
                  [&](const Use& use) { return use.io_mm == io_mm && use.holder == holder; });
}

/// Unbinds, whatever the count of references and whether a handler runs.
int Unbinding::end_bond(iommucheck_handle handle) {
  const Bond& bond = *bonds_.find(handle);
  const u32 device = bond.device;
  const iommucheck_handle io_mm = bond.io_mm;
  const IoMm& its = *io_mms_.find(io_mm);
  const u32 pasid = its.pasid;
  const Holder holder = domains_.holder_of(device);
  // The last one of the table takes the entry along; the bond goes last, and the number with it.
  const bool others = its.bonds.find_if(bonds_, [&](const Bond& other) {
    return &other != &bond && domains_.holder_of(other.device) == holder;
  }) != nullptr;
  int error = 0;
  if (!others) {
    error = end_uses_of(io_mm, holder);
  } else {
    // Recovery first: it reads faults as well, and hands them to who is bound.
    error = batch_.ensure_settled();
    faults_.end_device_faults(device, pasid);
    if (error == 0) error = batch_.ensure_settled();
  }
  if (Bond* still = bonds_.find(handle)) remove_bond(*still);
  IoMm* left = io_mms_.find(io_mm);
  Use* use = left == nullptr ? nullptr : uses_.find_use(*left, holder);
  if (use != nullptr && error == 0) error = waiting_.update_use(*use);
  return error;
}

int Unbinding::end_private(iommucheck_handle handle) {
  IoMm& io_mm = *io_mms_.find(handle);
  io_mm.gone = true;
  const int error = end_uses(io_mm.uses, [&](const Use& use) { return use.io_mm == handle; });
  io_mms_.reap(handle);
  return error;
}

/// All bonds and private address spaces of the device. The first error; the rest is done as well.
int Unbinding::end_all(u32 device) {
  SvaDevice& sva = sva_devices_[device];
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

int Unbinding::unbind_device(u32 device, u32 pasid) {
  if (!devices_.present(device)) return -IOMMUCHECK_ENODEV;
  Bond* bond = bonds_.find_bond(device, pasid);
  if (bond == nullptr) return -IOMMUCHECK_EINVAL;
  const iommucheck_handle handle = bonds_.handle(*bond);
  if (wait_for_handler(handle) == Wait::deadlock) return -IOMMUCHECK_EDEADLK;
  bond = bonds_.find(handle);
  if (bond == nullptr || --bond->references != 0) return 0;
  return end_bond(handle);
}

int Unbinding::wait_for_exit(u32 device, u32 pasid) {
  const Bond* bond = bonds_.find_bond(device, pasid);
  if (bond == nullptr) return 0;
  return wait_for_handler(bonds_.handle(*bond)) == Wait::deadlock ? -IOMMUCHECK_EDEADLK : 0;
}

int Unbinding::unbind_dev_all(u32 device) {
  if (!devices_.present(device)) return -IOMMUCHECK_ENODEV;
  if (wait_for_handlers(device) == Wait::deadlock) return -IOMMUCHECK_EDEADLK;
  return end_all(device);
}

int Unbinding::device_shutdown(u32 device) {
  if (!devices_.present(device)) return -IOMMUCHECK_ENODEV;
  if (!sva_devices_[device].ready) return -IOMMUCHECK_EINVAL;
  const int error = unbind_dev_all(device);
  if (error == 0 || error == -IOMMUCHECK_ETIMEDOUT) sva_devices_[device].ready = false;
  return error;
}

int Unbinding::device_gone(u32 device) {
  const int error = end_all(device);
  sva_devices_[device].ready = false;
  return error;
}

int Unbinding::free_private(iommucheck_handle domain, iommucheck_handle handle) {
  const IoMm* io_mm = io_mms_.find(handle);
  if (io_mm == nullptr || io_mm->gone || io_mm->process != 0) return -IOMMUCHECK_EINVAL;
  if (io_mm->space->domain != domain) return -IOMMUCHECK_EINVAL;
  return end_private(handle);
}

int Unbinding::domain_left(iommucheck_handle domain) {
  const Holder holder = {.domain = domain};
  return end_uses(uses_.uses_of(holder), [&](const Use& use) { return use.holder == holder; });
}

int Unbinding::end_process(iommucheck_handle handle) {
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
    io_mms_.reap(its);
  });
  return error;
}

int Unbinding::left_shared(u32 device, const Holder& shared) {
  UsesOfHolder& uses = uses_.uses_of(shared);
  uses.for_each(uses_, [&](const Use& use) {
    const IoMm& io_mm = *io_mms_.find(use.io_mm);
    if (!bonds_.has_given(device, io_mm)) faults_.end_device_faults(device, io_mm.pasid);
  });
  const int error = end_uses(uses, [&](const Use& use) {
    const IoMm& io_mm = *io_mms_.find(use.io_mm);
    if (use.holder != shared || !bonds_.has_given(device, io_mm)) return false;
    return io_mm.bonds.find_if(bonds_, [&](const Bond& bond) {
      return domains_.holder_of(bond.device) == shared;
    }) == nullptr;
  });
  // It has left in either case: who stays may wait again.
  waiting_.update_waits(shared);
  return error != 0 ? error : batch_.commit();
}

void Unbinding::end_faults(const Holder& holder, u32 device) {
  uses_.uses_of(holder).for_each(uses_, [&](const Use& use) {
    faults_.end_device_faults(device, io_mms_.find(use.io_mm)->pasid);
  });
}

void Unbinding::recovered() {
  uses_.for_each_used([&](Use& use) {
    if (!use.dead) return;
    const u32 pasid = io_mms_.find(use.io_mm)->pasid;
    // Whoever waited for this commit finds nothing to do any more: its faults end here.
    const iommucheck_handle handle = uses_.handle(use);
    faults_.end_holder_faults(use.holder, pasid);
    if (uses_.find(handle) == nullptr) return;
    pasids_.apply(pasid, pasid::forgotten<u64>);
    uses_.release_use(use);
  });
  io_mms_.for_each_used([&](const IoMm& io_mm) { io_mms_.reap(io_mms_.handle(io_mm)); });
  processes_.for_each_used([&](Process& process) {
    if (process.ended) processes_.unpin(process);
  });
}

}  // namespace iommucheck::impl
