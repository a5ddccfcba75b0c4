// SPDX-License-Identifier: MIT
#include "impl/core/waiting.h"

#include "impl/core/batch.h"
#include "impl/core/bonds.h"
#include "impl/core/devices.h"
#include "impl/core/domains.h"
#include "impl/core/entries.h"
#include "impl/core/faults.h"
#include "impl/core/io_mms.h"
#include "impl/core/sva_devices.h"
#include "impl/core/uses.h"

namespace iommucheck::impl {

bool Waiting::reads_faults(const Holder& holder) {
  bool any = false;
  devices_.for_each_device(holder, [&](u32 device) {
    any |= faults_.has_queue(device) || sva_devices_.has_fault_handler(device);
  });
  return any;
}

/// Whether faults there wait: all devices of a table share its entries, so only if all of them can,
/// and every one that is bound has asked for it, or somebody reads them.
bool Waiting::wants_wait(const Use& use) {
  const IoMm& io_mm = *io_mms_.find(use.io_mm);
  if (io_mm.process == 0 || use.quiet || !devices_.may_wait(use.holder)) return false;
  if (reads_faults(use.holder)) return true;
  return io_mm.bonds.find_if(bonds_, [&](const Bond& bond) {
    return domains_.holder_of(bond.device) == use.holder &&
           (sva_devices_[bond.device].features & IOMMUCHECK_SVA_IOPF) == 0;
  }) == nullptr;
}

void Waiting::update_waits(const Holder& holder) {
  uses_.uses_of(holder).for_each(uses_, [&](Use& use) {
    if (use.dead || wants_wait(use) == use.waits) return;
    use.waits = !use.waits;
    entries_.change(holder, io_mms_.find(use.io_mm)->pasid, uses_.entry_for(use));
  });
}

int Waiting::update_use(Use& use) {
  if (wants_wait(use) == use.waits) return 0;
  use.waits = !use.waits;
  entries_.change(use.holder, io_mms_.find(use.io_mm)->pasid, uses_.entry_for(use));
  return batch_.commit();
}

}  // namespace iommucheck::impl
