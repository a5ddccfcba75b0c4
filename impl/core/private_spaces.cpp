// SPDX-License-Identifier: MIT
#include "impl/core/private_spaces.h"

#include "impl/core/batch.h"
#include "impl/core/bind.h"
#include "impl/core/devices.h"
#include "impl/core/domains.h"
#include "impl/core/io_mms.h"
#include "impl/core/sva_devices.h"
#include "impl/core/unbind.h"
#include "impl/core/uses.h"
#include "impl/pasid/state.h"

namespace iommucheck::impl {

int PrivateSpaces::alloc_private(iommucheck_handle domain, u32 device, iommucheck_handle* handle) {
  if (!devices_.present(device)) return -IOMMUCHECK_ENODEV;
  const SvaDevice& sva = sva_devices_[device];
  const bool asked = sva.ready && (sva.features & IOMMUCHECK_SVA_PRIVATE) != 0;
  const bool its_own = domain != 0 && devices_[device].domain == domain;
  if (asked && its_own && binding_.users_have_the_pasids(device)) return -IOMMUCHECK_EBUSY;
  if (!asked || domain == 0 || domains_.paging_domain(device) != domain) {
    return -IOMMUCHECK_EINVAL;
  }
  if (!io_mms_.has_hooks()) return -IOMMUCHECK_ENODEV;
  if (int error = batch_.ensure_settled()) return error;
  int error = 0;
  IoMm* io_mm = io_mms_.new_io_mm(device, pasid::private_space, &error);
  if (io_mm == nullptr) return error;
  *handle = io_mms_.handle(*io_mm);
  io_mm->device = device;
  io_mms_.add_private(device, *io_mm);
  error = domains_.open_space(domain, io_mm->pasid, &io_mm->space);
  if (error == 0) error = enter_private(*handle, device);
  if (error != 0) {
    io_mm->gone = true;
    io_mms_.reap(*handle);
  }
  return error;
}

/// The device gets to it: the hook, then the entry.
int PrivateSpaces::enter_private(iommucheck_handle handle, u32 device) {
  if (int error = backend_.mm_attach(handle, device)) return error;
  const int error = binding_.make_use(handle, domains_.holder_of(device));
  if (error != 0) backend_.mm_detach(handle, device);
  return error;
}

/// INTERFACE "Bind": tables per device. Attached already: nothing to do.
int PrivateSpaces::attach_private(iommucheck_handle handle, u32 device) {
  if (!devices_.present(device)) return -IOMMUCHECK_ENODEV;
  int error = 0;
  const Space* space = io_mms_.private_space(handle, &error);
  if (space == nullptr) return error;
  const SvaDevice& sva = sva_devices_[device];
  const bool asked = sva.ready && (sva.features & IOMMUCHECK_SVA_PRIVATE) != 0;
  if (!asked || domains_.paging_domain(device) != space->domain) return -IOMMUCHECK_EINVAL;
  if (space->pasid < sva.min_pasid || space->pasid > sva.max_pasid) return -IOMMUCHECK_ERANGE;
  const Holder holder = domains_.holder_of(device);
  if (uses_.find_use(*io_mms_.find(handle), holder) != nullptr) return 0;
  if ((error = batch_.ensure_settled()) != 0) return error;
  return enter_private(handle, device);
}

int PrivateSpaces::detach_private(iommucheck_handle handle, u32 device) {
  if (!devices_.present(device)) return -IOMMUCHECK_ENODEV;
  int error = 0;
  if (io_mms_.private_space(handle, &error) == nullptr) return error;
  const Holder holder = domains_.holder_of(device);
  if (uses_.find_use(*io_mms_.find(handle), holder) == nullptr) return -IOMMUCHECK_EINVAL;
  return unbinding_.end_uses_of(handle, holder);
}

}  // namespace iommucheck::impl
