// SPDX-License-Identifier: MIT
#include "impl/core/io_mms.h"

#include "impl/core/pasids.h"
#include "impl/core/processes.h"

namespace iommucheck::impl {

bool IoMms::has_hooks() const {
  const Backend::Hooks has = backend_.hooks();
  return has.mm_attach && has.mm_detach && has.mm_alloc == has.mm_free;
}

int IoMms::mm_alloc(iommucheck_handle io_mm) {
  if (!backend_.hooks().mm_alloc) return 0;
  const Backend::Made made = backend_.mm_alloc(io_mm);
  return made.is_null ? -IOMMUCHECK_ENOMEM : made.error;
}

IoMm* IoMms::io_mm_of_number(u32 pasid) {
  return numbers_.find_if(io_mms_, pasid,
                          [](const IoMm& its) { return !its.bonds.empty() || !its.uses.empty(); });
}

/// One with a number of the device's range, made by the backend's hook if it has one, which also
/// undoes it where no number is left.
IoMm* IoMms::new_io_mm(u32 device, u64 state, int* error) {
  const SvaDevice& sva = sva_devices_[device];
  IoMm* io_mm = io_mms_.allocate(platform_);
  *error = -IOMMUCHECK_ENOMEM;
  if (io_mm == nullptr) return nullptr;
  *error = mm_alloc(io_mms_.handle(*io_mm));
  if (*error != 0) {
    io_mms_.release(*io_mm);
    return nullptr;
  }
  *error = pasids_.allocate(sva.min_pasid, sva.max_pasid, state, &io_mm->pasid);
  if (*error != 0) {
    mm_free(io_mms_.handle(*io_mm));
    io_mms_.release(*io_mm);
    return nullptr;
  }
  numbers_.add(platform_, io_mms_, *io_mm);
  return io_mm;
}

void IoMms::release_io_mm(IoMm& io_mm) {
  mm_free(io_mms_.handle(io_mm));
  numbers_.remove(io_mms_, io_mm);
  if (io_mm.process == 0) {
    sva_devices_[io_mm.device].private_io_mms.remove(io_mms_, io_mm);
  } else if (Process* process = processes_.find(io_mm.process)) {
    process->io_mms.remove(io_mms_, io_mm);
  }
  io_mms_.release(io_mm);
}

Space* IoMms::private_space(iommucheck_handle handle, int* error) {
  IoMm* io_mm = io_mms_.find(handle);
  const bool known = io_mm != nullptr && !io_mm->gone;
  *error = known ? (io_mm->process == 0 ? 0 : -IOMMUCHECK_ENODEV) : -IOMMUCHECK_EINVAL;
  return *error == 0 ? io_mm->space : nullptr;
}

int IoMms::get_pasid(iommucheck_handle io_mm, u32* pasid) {
  int error = 0;
  const Space* space = private_space(io_mm, &error);
  if (space != nullptr) *pasid = space->pasid;
  return error;
}

int IoMms::get_attr(iommucheck_handle io_mm, u32 attr, u64* value) {
  int error = 0;
  const Space* space = private_space(io_mm, &error);
  if (space == nullptr) return error;
  switch (attr) {
    case IOMMUCHECK_ATTRIBUTE_TTBR0: *value = space->table_pa; return 0;
    case IOMMUCHECK_ATTRIBUTE_PASID: *value = space->pasid; return 0;
    default: return -IOMMUCHECK_EINVAL;
  }
}

void IoMms::reap(iommucheck_handle handle) {
  IoMm* io_mm = io_mms_.find(handle);
  if (io_mm == nullptr || (io_mm->process == 0 && !io_mm->gone)) return;
  if (!io_mm->bonds.empty() || !io_mm->uses.empty()) return;
  pasids_.apply(io_mm->pasid, pasid::release<u64>);
  Process* process = processes_.find(io_mm->process);
  if (io_mm->space != nullptr) backend_.close_space(*io_mm->space);
  release_io_mm(*io_mm);
  if (process != nullptr) processes_.drop(*process);
}

void IoMms::shutdown() {
  io_mms_.for_each_used([&](IoMm& io_mm) {
    if (io_mm.space != nullptr) backend_.close_space(*io_mm.space);
    pasids_.forget(io_mm.pasid);
    release_io_mm(io_mm);
  });
  numbers_.clear();
}

void IoMms::held(iommucheck_held& held) {
  io_mms_.for_each_used([&](const IoMm& io_mm) {
    if (io_mm.process == 0 && !io_mm.gone) ++held.io_mms;
  });
}

const char* IoMms::inconsistency() {
  const char* wrong = nullptr;
  const auto expect = [&](bool holds, const char* what) {
    if (!holds && wrong == nullptr) wrong = what;
  };
  io_mms_.for_each_used([&](const IoMm& io_mm) {
    const bool reached = !io_mm.bonds.empty() || !io_mm.uses.empty();
    const bool is_private = io_mm.process == 0;
    expect(reached || (is_private && !io_mm.gone), "IoMm that nobody has");
    expect(is_private || processes_.find(io_mm.process) != nullptr, "IoMm::process is gone");
  });
  processes_.for_each_used([&](const Process& process) {
    u32 count = 0;
    process.io_mms.for_each(io_mms_, [&](const IoMm&) { ++count; });
    expect(process.users >= count, "Process::users");
  });
  return wrong;
}

}  // namespace iommucheck::impl
