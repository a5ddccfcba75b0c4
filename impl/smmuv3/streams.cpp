// SPDX-License-Identifier: MIT
// Devices as streams: what their STEs say. IHI 0070 5.2; arch 2.4, 7.3.
#include <algorithm>

#include "impl/smmuv3/smmu.h"

namespace iommucheck::impl {

unsigned Smmu::pasid_bits(u32 device) const {
  return std::min<u32>(device_config(device).ssid_bits, features_.ssid_bits);
}

bool Smmu::can_wait(u32 device) const {
  return features_.stall_model == 0 && (device_config(device).flags & IOMMUCHECK_DEVICE_STALL) != 0;
}

bool Smmu::has_cache(u32 device) const {
  return features_.ats && (device_config(device).flags & IOMMUCHECK_DEVICE_ATS) != 0;
}

Backend::Added Smmu::add_device(u32 device) {
  const iommucheck_device& config = device_config(device);
  for (u32 i = 0; i < config.stream_id_count; ++i) {
    if ((u64{config.stream_ids[i]} >> features_.stream_id_bits) != 0) return {-IOMMUCHECK_ENODEV};
  }
  const u64 word1 = ste::word1(features_, can_wait(device), has_cache(device));
  Added result;
  for (u32 i = 0; i < config.stream_id_count; ++i) {
    const StreamTable::Added added = streams_.add(platform_, config.stream_ids[i]);
    if (added == StreamTable::Added::no_memory) {
      result.error = -IOMMUCHECK_ENOMEM;
      break;
    }
    result.changed |= added == StreamTable::Added::linked;
    result.changed |= streams_.set_word1(platform_, config.stream_ids[i], word1);
  }
  return result;
}

/// False if every STE of the device has that word already.
bool Smmu::set_route(u32 device, const Route& route) {
  u64 word = ste::blocked;
  if (route.kind == Route::Kind::bypass) word = ste::bypass;
  if (route.kind == Route::Kind::table) {
    word = static_cast<const SmmuTable*>(route.table)->cds.ste_word0(route.pasid_bits);
  }
  const iommucheck_device& config = device_config(device);
  bool changed = false;
  for (u32 i = 0; i < config.stream_id_count; ++i) {
    if (streams_.word0(platform_, config.stream_ids[i]) == word) continue;
    streams_.set_word0(platform_, config.stream_ids[i], word);
    changed = true;
  }
  return changed;
}

/// CFGI for every STE of the device, which drops its CDs as well; its L1STD too if `whole`.
void Smmu::forget_route(u32 device, bool whole) {
  for_each_stream(device, [&](u64 sid) { add(command::cfgi_ste(sid, !whole)); });
}

}  // namespace iommucheck::impl
