// SPDX-License-Identifier: MIT
// Numbers, devices, and what is asked about them. INTERFACE "PASID numbers", "sva_device_init".
#include "impl/core/core.h"

#include <algorithm>

namespace iommucheck::impl {

bool Sva::create(u32 devices) {
  device_count_ = devices;
  if (core_.first_pasid() == 0) pasids_.give_zero();
  devices_ = platform_.arena<SvaDevice>(std::max<u32>(devices, 1));
  return devices_ != nullptr;
}

void Sva::shutdown() {
  bonds_.for_each_used([&](Bond& bond) { bonds_.release(bond); });
  uses_.for_each_used([&](Use& use) { release_use(use); });
  io_mms_.for_each_used([&](IoMm& io_mm) {
    if (io_mm.space != nullptr) core_.close_space(*io_mm.space);
    pasids_.forget(io_mm.pasid);
    release_io_mm(io_mm);
  });
  processes_.for_each_used([&](Process& process) {
    unpin(process);
    processes_.release(process);
  });
  numbers_.clear();
  process_index_.clear();
  for (u32 i = 0; i < device_count_; ++i) devices_[i] = SvaDevice();
}

int Sva::pasid_alloc(u32 min, u32 max, u32* pasid) {
  const u32 high = max == 0 ? PasidAllocator::last : max;
  if (min > high || high > PasidAllocator::last) return -IOMMUCHECK_EINVAL;
  // Where 0 is kept it stands for what devices do without a PASID.
  return pasids_.allocate(platform_, std::max(min, core_.first_pasid()), high, pasid::plain, pasid);
}

int Sva::pasid_free(u32 pasid) {
  if (pasids_.state(pasid) != pasid::plain) return -IOMMUCHECK_EINVAL;
  return pasids_.apply(pasid, pasid::release<u64>) ? 0 : -IOMMUCHECK_EINVAL;
}

int Sva::check_plain(u32 pasid) const {
  const u64 state = pasids_.state(pasid);
  if (state == pasid::plain) return 0;
  const bool others = (state & (pasid::process | pasid::private_space)) != 0;
  return others ? -IOMMUCHECK_EBUSY : -IOMMUCHECK_EINVAL;
}

int Sva::device_init(u32 device, bool can_wait, u32 features, u32 min, u32 max, bool has_mm_exit) {
  if (!core_.device_present(device)) return -IOMMUCHECK_ENODEV;
  const unsigned bits = core_.pasid_bits(device);
  if (bits == 0 || core_.domain_of(device) == 0) return -IOMMUCHECK_ENODEV;
  u32 known = IOMMUCHECK_SVA_PRIVATE;
  if (can_wait) known |= IOMMUCHECK_SVA_IOPF;
  if ((features & ~known) != 0) return -IOMMUCHECK_EINVAL;
  const u32 low = std::max(min, core_.first_pasid());
  const u32 reach = (1u << bits) - 1;
  const u32 high = max == 0 ? reach : std::min(max, reach);
  if (low > high) return -IOMMUCHECK_EINVAL;
  SvaDevice& sva = devices_[device];
  if (sva.ready) return -IOMMUCHECK_EEXIST;
  sva.ready = true;
  sva.has_mm_exit = has_mm_exit;
  sva.features = features;
  sva.min_pasid = low;
  sva.max_pasid = high;
  return 0;
}

int Sva::device_shutdown(u32 device) {
  if (!core_.device_present(device)) return -IOMMUCHECK_ENODEV;
  if (!devices_[device].ready) return -IOMMUCHECK_EINVAL;
  const int error = unbind_dev_all(device);
  if (error == 0 || error == -IOMMUCHECK_ETIMEDOUT) devices_[device].ready = false;
  return error;
}

bool Sva::bound(u32 device) {
  const SvaDevice& sva = devices_[device];
  if (!sva.bonds.empty()) return true;
  const auto is_private = [](const IoMm& io_mm) { return io_mm.process == 0 && !io_mm.gone; };
  if (sva.private_io_mms.find_if(io_mms_, is_private) != nullptr) return true;
  return sva.uses.find_if(uses_, [&](const Use& use) {
    return !use.dead && is_private(*io_mms_.find(use.io_mm));
  }) != nullptr;
}

int Sva::drvdata(u32 device, u32 pasid, u64* drvdata) {
  if (!core_.device_present(device)) return -IOMMUCHECK_ENODEV;
  const Bond* bond = find_bond(device, pasid);
  if (bond == nullptr) return -IOMMUCHECK_ENOENT;
  *drvdata = bond->drvdata;
  return 0;
}

iommucheck_handle Sva::bond_at(u32 device, u32 pasid) {
  const Bond* bond = find_bond(device, pasid);
  return bond == nullptr ? 0 : bonds_.handle(*bond);
}

int Sva::io_mm_of(u32 device, u32 pasid, iommucheck_handle* io_mm) {
  if (!core_.device_present(device)) return -IOMMUCHECK_ENODEV;
  // A device reaches nothing at a number that it cannot send.
  const bool sent = (u64{pasid} >> core_.pasid_bits(device)) == 0;
  const IoMm* found = sent ? io_mm_at(device, pasid) : nullptr;
  if (found == nullptr) return -IOMMUCHECK_ENOENT;
  *io_mm = io_mms_.handle(*found);
  return 0;
}

void Sva::held(iommucheck_held& held) {
  io_mms_.for_each_used([&](const IoMm& io_mm) {
    if (io_mm.process == 0 && !io_mm.gone) ++held.io_mms;
  });
  bonds_.for_each_used([&](const Bond&) { ++held.bonds; });
  held.pasids = pasids_.held();
}

bool Sva::is_processes(u32 device, u32 pasid) {
  const IoMm* io_mm = io_mm_at(device, pasid);
  const Process* process = io_mm == nullptr ? nullptr : processes_.find(io_mm->process);
  return process != nullptr && !process->dying;
}

bool Sva::answer_fault(u32 device, u32 pasid, u64 iova, u32 prot) {
  if (!is_processes(device, pasid)) return false;
  return platform_.handle_fault(device, pasid, iova, prot) == IOMMUCHECK_FAULT_SUCCESS;
}

int Sva::set_fault_handler(u32 device, u32 pasid, bool present, u64 word) {
  if (!has_asked_for_faults(device)) return -IOMMUCHECK_EINVAL;
  Bond* bond = find_bond(device, pasid);
  if (bond == nullptr) return -IOMMUCHECK_EINVAL;
  if (!is_processes(device, pasid)) return -IOMMUCHECK_ESRCH;
  if (present && !bond->has_fault_handler && is_silenced(device)) return -IOMMUCHECK_EBUSY;
  devices_[device].fault_handlers += (present ? 1 : 0) - (bond->has_fault_handler ? 1 : 0);
  bond->has_fault_handler = present;
  bond->fault_word = present ? word : 0;
  return 0;
}

bool Sva::is_silenced(u32 device) {
  if (core_.paging_domain(device) == 0) return false;
  const Holder holder = core_.holder_of(device);
  if (!core_.may_wait(holder)) return true;
  return uses_of(holder).find_if(uses_, [&](const Use& use) {
    const bool lives = !use.dead && !use.quiet && io_mms_.find(use.io_mm)->process != 0;
    return lives && !use.waits;
  }) != nullptr;
}

const Bond* Sva::fault_handler_of(u32 device, u32 pasid) {
  const Bond* bond = find_bond(device, pasid);
  const bool has = bond != nullptr && bond->has_fault_handler && is_processes(device, pasid);
  return has ? bond : nullptr;
}

// ---- finding ----

Process* Sva::process_of(iommucheck_handle mm) {
  // An ended one's number may be another process's.
  return process_index_.find_if(processes_, mm, [](const Process& its) { return !its.ended; });
}

/// Null: a plain number, or nobody is bound there and nothing stands there.
IoMm* Sva::io_mm_of_number(u32 pasid) {
  return numbers_.find_if(io_mms_, pasid,
                          [](const IoMm& its) { return !its.bonds.empty() || !its.uses.empty(); });
}

Bond* Sva::find_bond(u32 device, u32 pasid) {
  const IoMm* io_mm = io_mm_of_number(pasid);
  if (io_mm == nullptr) return nullptr;
  return io_mm->bonds.find_if(bonds_, [&](const Bond& bond) { return bond.device == device; });
}

Use* Sva::find_use(const IoMm& io_mm, const Holder& holder) {
  return io_mm.uses.find_if(uses_,
                            [&](const Use& use) { return use.holder == holder && !use.dead; });
}

/// Of a domain that is gone there are none.
UsesOfHolder& Sva::uses_of(const Holder& holder) {
  if (holder.is_own()) return devices_[holder.device].uses;
  UsesOfHolder* uses = core_.uses_of_domain(holder.domain);
  return uses != nullptr ? *uses : nobodys_;
}

/// What the device reaches there.
IoMm* Sva::io_mm_at(u32 device, u32 pasid) {
  if (core_.paging_domain(device) == 0) return nullptr;
  IoMm* io_mm = io_mm_of_number(pasid);
  const bool its = io_mm != nullptr && find_use(*io_mm, core_.holder_of(device)) != nullptr;
  return its ? io_mm : nullptr;
}

Tag Sva::tag_of(const IoMm& io_mm) {
  return io_mm.process == 0 ? io_mm.space->tag : processes_.find(io_mm.process)->tag;
}

// ---- faults that wait ----

/// Whether faults there wait: all devices of a table share its entries, so only if all of them can,
/// and every one that is bound has asked for it, or somebody reads them.
bool Sva::wants_wait(const Use& use) {
  const IoMm& io_mm = *io_mms_.find(use.io_mm);
  if (io_mm.process == 0 || use.quiet || !core_.may_wait(use.holder)) return false;
  if (core_.reads_faults(use.holder)) return true;
  return io_mm.bonds.find_if(bonds_, [&](const Bond& bond) {
    return core_.holder_of(bond.device) == use.holder &&
           (devices_[bond.device].features & IOMMUCHECK_SVA_IOPF) == 0;
  }) == nullptr;
}

Entry Sva::entry_for(const Use& use) {
  const IoMm& io_mm = *io_mms_.find(use.io_mm);
  if (io_mm.process == 0) return core_.entry_of(*io_mm.space);
  const Process& process = *processes_.find(io_mm.process);
  return {.mm = &process.mm, .tag = process.tag, .waits = use.waits, .quiet = use.quiet};
}

void Sva::update_waits(const Holder& holder) {
  uses_of(holder).for_each(uses_, [&](Use& use) {
    if (use.dead || wants_wait(use) == use.waits) return;
    use.waits = !use.waits;
    core_.change(holder, io_mms_.find(use.io_mm)->pasid, entry_for(use));
  });
}

}  // namespace iommucheck::impl
