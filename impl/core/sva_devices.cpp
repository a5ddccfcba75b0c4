// SPDX-License-Identifier: MIT
#include "impl/core/sva_devices.h"

#include <algorithm>

namespace iommucheck::impl {

bool SvaDevices::create(const Platform& platform) {
  sva_devices_ = platform.arena<SvaDevice>(std::max<u32>(count(), 1));
  return sva_devices_ != nullptr;
}

void SvaDevices::shutdown() {
  for (u32 i = 0; i < count(); ++i) sva_devices_[i] = SvaDevice();
}

int SvaDevices::device_init(u32 device, u32 features, u32 min, u32 max, bool has_mm_exit) {
  if (!devices_.present(device)) return -IOMMUCHECK_ENODEV;
  const unsigned bits = devices_.pasid_bits(device);
  if (bits == 0 || devices_[device].domain == 0) return -IOMMUCHECK_ENODEV;
  u32 known = IOMMUCHECK_SVA_PRIVATE;
  if (backend_.can_wait(device)) known |= IOMMUCHECK_SVA_IOPF;
  if ((features & ~known) != 0) return -IOMMUCHECK_EINVAL;
  const u32 low = std::max(min, backend_.first_pasid());
  const u32 reach = (1u << bits) - 1;
  const u32 high = max == 0 ? reach : std::min(max, reach);
  if (low > high) return -IOMMUCHECK_EINVAL;
  SvaDevice& sva = sva_devices_[device];
  if (sva.ready) return -IOMMUCHECK_EEXIST;
  sva.ready = true;
  sva.has_mm_exit = has_mm_exit;
  sva.features = features;
  sva.min_pasid = low;
  sva.max_pasid = high;
  return 0;
}

}  // namespace iommucheck::impl
