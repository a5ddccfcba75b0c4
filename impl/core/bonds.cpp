// SPDX-License-Identifier: MIT
#include "impl/core/bonds.h"

#include "impl/core/devices.h"
#include "impl/core/domains.h"
#include "impl/core/io_mms.h"
#include "impl/core/pasids.h"
#include "impl/core/processes.h"
#include "impl/core/sva_devices.h"
#include "impl/core/uses.h"

namespace iommucheck::impl {

Bond* Bonds::find_bond(u32 device, u32 pasid) {
  const IoMm* io_mm = io_mms_.io_mm_of_number(pasid);
  if (io_mm == nullptr) return nullptr;
  return io_mm->bonds.find_if(bonds_, [&](const Bond& bond) { return bond.device == device; });
}

iommucheck_handle Bonds::bond_at(u32 device, u32 pasid) {
  const Bond* bond = find_bond(device, pasid);
  return bond == nullptr ? 0 : bonds_.handle(*bond);
}

Bond* Bonds::add_bond(u32 device, IoMm& io_mm, u64 drvdata) {
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
  sva_devices_[device].bonds.add(bonds_, *bond);
  io_mm.bonds.add(bonds_, *bond);
  return bond;
}

void Bonds::take_out(Bond& bond) {
  IoMm& its = *io_mms_.find(bond.io_mm);
  SvaDevice& sva = sva_devices_[bond.device];
  sva.bonds.remove(bonds_, bond);
  its.bonds.remove(bonds_, bond);
  if (bond.has_fault_handler) --sva.fault_handlers;
  pasids_.apply(its.pasid, pasid::done<u64>);
}

void Bonds::forget_fault_handler(Bond& bond) {
  if (!bond.has_fault_handler) return;
  --sva_devices_[bond.device].fault_handlers;
  bond.has_fault_handler = false;
}

int Bonds::drvdata(u32 device, u32 pasid, u64* drvdata) {
  if (!devices_.present(device)) return -IOMMUCHECK_ENODEV;
  const Bond* bond = find_bond(device, pasid);
  if (bond == nullptr) return -IOMMUCHECK_ENOENT;
  *drvdata = bond->drvdata;
  return 0;
}

int Bonds::io_mm_of(u32 device, u32 pasid, iommucheck_handle* io_mm) {
  if (!devices_.present(device)) return -IOMMUCHECK_ENODEV;
  // A device reaches nothing at a number that it cannot send.
  const bool sent = (u64{pasid} >> devices_.pasid_bits(device)) == 0;
  const IoMm* found = sent ? io_mm_at(device, pasid) : nullptr;
  if (found == nullptr) return -IOMMUCHECK_ENOENT;
  *io_mm = io_mms_.handle(*found);
  return 0;
}

bool Bonds::bound(u32 device) {
  const SvaDevice& sva = sva_devices_[device];
  if (!sva.bonds.empty()) return true;
  const auto is_private = [](const IoMm& io_mm) { return io_mm.process == 0 && !io_mm.gone; };
  if (sva.private_io_mms.find_if(io_mms_, is_private) != nullptr) return true;
  return sva.uses.find_if(uses_, [&](const Use& use) {
    return !use.dead && is_private(*io_mms_.find(use.io_mm));
  }) != nullptr;
}

IoMm* Bonds::io_mm_at(u32 device, u32 pasid) {
  if (domains_.paging_domain(device) == 0) return nullptr;
  IoMm* io_mm = io_mms_.io_mm_of_number(pasid);
  const bool its =
      io_mm != nullptr && uses_.find_use(*io_mm, domains_.holder_of(device)) != nullptr;
  return its ? io_mm : nullptr;
}

bool Bonds::has_given(u32 device, const IoMm& io_mm) {
  if (io_mm.process == 0) return io_mm.device == device && !io_mm.gone;
  return find_bond(device, io_mm.pasid) != nullptr;
}

bool Bonds::is_processes(u32 device, u32 pasid) {
  const IoMm* io_mm = io_mm_at(device, pasid);
  const Process* process = io_mm == nullptr ? nullptr : processes_.find(io_mm->process);
  return process != nullptr && !process->dying;
}

bool Bonds::answer_fault(u32 device, u32 pasid, u64 iova, u32 prot) {
  if (!is_processes(device, pasid)) return false;
  return platform_.handle_fault(device, pasid, iova, prot) == IOMMUCHECK_FAULT_SUCCESS;
}

int Bonds::set_fault_handler(u32 device, u32 pasid, bool present, u64 word) {
  if (!sva_devices_.has_asked_for_faults(device)) return -IOMMUCHECK_EINVAL;
  Bond* bond = find_bond(device, pasid);
  if (bond == nullptr) return -IOMMUCHECK_EINVAL;
  if (!is_processes(device, pasid)) return -IOMMUCHECK_ESRCH;
  if (present && !bond->has_fault_handler && is_silenced(device)) return -IOMMUCHECK_EBUSY;
  sva_devices_[device].fault_handlers += (present ? 1 : 0) - (bond->has_fault_handler ? 1 : 0);
  bond->has_fault_handler = present;
  bond->fault_word = present ? word : 0;
  return 0;
}

bool Bonds::is_silenced(u32 device) {
  if (domains_.paging_domain(device) == 0) return false;
  const Holder holder = domains_.holder_of(device);
  if (!devices_.may_wait(holder)) return true;
  return uses_.uses_of(holder).find_if(uses_, [&](const Use& use) {
    const bool lives = !use.dead && !use.quiet && io_mms_.find(use.io_mm)->process != 0;
    return lives && !use.waits;
  }) != nullptr;
}

const Bond* Bonds::fault_handler_of(u32 device, u32 pasid) {
  const Bond* bond = find_bond(device, pasid);
  const bool has = bond != nullptr && bond->has_fault_handler && is_processes(device, pasid);
  return has ? bond : nullptr;
}

void Bonds::shutdown() {
  bonds_.for_each_used([&](Bond& bond) { bonds_.release(bond); });
}

void Bonds::held(iommucheck_held& held) {
  bonds_.for_each_used([&](const Bond&) { ++held.bonds; });
}

const char* Bonds::inconsistency() {
  const char* wrong = nullptr;
  const auto expect = [&](bool holds, const char* what) {
    if (!holds && wrong == nullptr) wrong = what;
  };
  u32 all = 0, listed = 0;
  bonds_.for_each_used([&](const Bond& bond) {
    ++all;
    expect(io_mms_.find(bond.io_mm) != nullptr, "Bond::io_mm is gone");
  });
  for (u32 i = 0; i < sva_devices_.count(); ++i) {
    u32 handlers = 0;
    sva_devices_[i].bonds.for_each(bonds_, [&](const Bond& bond) {
      ++listed;
      handlers += bond.has_fault_handler ? 1 : 0;
    });
    expect(sva_devices_[i].fault_handlers == handlers, "SvaDevice::fault_handlers");
  }
  expect(all == listed, "SvaDevice::bonds");
  return wrong;
}

}  // namespace iommucheck::impl
