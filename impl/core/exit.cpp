// SPDX-License-Identifier: MIT
#include "impl/core/exit.h"

#include <algorithm>

#include "impl/core/backend.h"
#include "impl/core/batch.h"
#include "impl/core/bonds.h"
#include "impl/core/entries.h"
#include "impl/core/faults.h"
#include "impl/core/io_mms.h"
#include "impl/core/processes.h"
#include "impl/core/sva_devices.h"
#include "impl/core/unbind.h"
#include "impl/core/uses.h"

namespace iommucheck::impl {

namespace {

constexpr u64 page_bytes = 4096;  // the least that a process maps

}  // namespace

/// Entries that translate nothing and report nothing, while device drivers are told: accesses end
/// quietly instead of with a configuration error.
int Exit::stop_translating(iommucheck_handle handle) {
  const Process& process = *processes_.find(handle);
  const auto for_each = [&](auto visit) {
    process.uses.for_each(uses_, [&](Use& use) {
      if (!use.dead) visit(use, io_mms_.find(use.io_mm)->pasid);
    });
  };
  bool any = false;
  for_each([&](Use& use, u32 pasid) {
    any = true;
    use.quiet = true;
    use.waits = false;
    entries_.change(use.holder, pasid, uses_.entry_for(use));
  });
  if (!any) return 0;
  if (int error = batch_.commit()) return error;
  batch_.drop_translations(process.tag, [&](auto at) {
    for_each([&](const Use& use, u32 pasid) { at(use.holder, pasid); });
  });
  if (int error = batch_.commit()) return error;
  for_each([&](const Use& use, u32 pasid) { batch_.drop_device_translations(use.holder, pasid); });
  if (int error = batch_.commit()) return error;
  for_each([&](const Use& use, u32 pasid) { faults_.end_holder_faults(use.holder, pasid); });
  return 0;
}

/// Begins every handler before any is waited for.
void Exit::call_handlers(iommucheck_handle process) {
  processes_.find(process)->io_mms.for_each(io_mms_, [&](const IoMm& io_mm) {
    io_mm.bonds.for_each(bonds_, [&](Bond& bond) {
      bonds_.forget_fault_handler(bond);
      if (bond.handler != 0 || !sva_devices_[bond.device].has_mm_exit) return;
      bond.handler = platform_.mm_exit(bond.device, io_mm.pasid, bond.drvdata);
    });
  });
}

bool Exit::handlers_run(iommucheck_handle process) {
  const auto runs = [](const Bond& bond) { return bond.handler != 0; };
  return processes_.find(process)->io_mms.find_if(io_mms_, [&](const IoMm& io_mm) {
    return io_mm.bonds.find_if(bonds_, runs) != nullptr;
  }) != nullptr;
}

int Exit::mm_release(iommucheck_handle mm) {
  Process* process = processes_.process_of(mm);
  if (process == nullptr || process->dying) return 0;
  const iommucheck_handle handle = processes_.handle(*process);
  process->dying = true;
  ++process->users;
  // A time-out comes up again below, unless the queue has recovered by then.
  stop_translating(handle);
  call_handlers(handle);
  // Other calls run here: devices are unbound, handlers return, domains may go.
  while (handlers_run(handle) && platform_.wait_for_caller()) {
  }
  int error = unbinding_.end_process(handle);
  if (error == 0) error = batch_.ensure_settled();
  process = processes_.find(handle);
  process->ended = true;
  processes_.unpin(*process);
  processes_.drop(*process);
  return error;
}

int Exit::mm_exit_done(u32 device, u32 pasid, int status) {
  if (device >= sva_devices_.count()) return -IOMMUCHECK_EINVAL;
  Bond* bond = bonds_.find_bond(device, pasid);
  if (bond == nullptr || bond->handler == 0) return -IOMMUCHECK_EINVAL;
  bond->handler = 0;
  // An error is no "done": the device has to be unbound.
  if (status != 0) return 0;
  faults_.end_device_faults(device, pasid);
  bond->done = true;
  // While mm_release waits for others, the device has it still.
  if (processes_.find(io_mms_.find(bond->io_mm)->process)->ended) unbinding_.remove_bond(*bond);
  return 0;
}

int Exit::mm_invalidate(iommucheck_handle mm, u64 start, u64 bytes) {
  const Process* process = processes_.process_of(mm);
  if (process == nullptr || bytes == 0) return 0;
  const iommucheck_handle handle = processes_.handle(*process);
  const u64 limit = u64{1} << process->mm.input_bits;
  if (start >= limit) return 0;
  const u64 first = start & ~(page_bytes - 1);
  const u64 end =
      bytes >= limit - start ? limit : (start + bytes + page_bytes - 1) & ~(page_bytes - 1);
  if (process->uses.empty()) return 0;
  // Else the CPUs have done it.
  if (!backend_.hears_cpus()) {
    batch_.drop_range(process->tag, first, end, [&](auto at) {
      process->uses.for_each(
          uses_, [&](const Use& use) { at(use.holder, io_mms_.find(use.io_mm)->pasid); });
    });
  }
  if (int error = batch_.commit()) return error;
  // The commit may have recovered, with which uses have gone, and the process with the last.
  process = processes_.find(handle);
  if (process != nullptr) {
    process->uses.for_each(uses_, [&](const Use& use) {
      batch_.drop_device_range(use.holder, io_mms_.find(use.io_mm)->pasid, first, end);
    });
  }
  return batch_.commit();
}

}  // namespace iommucheck::impl
