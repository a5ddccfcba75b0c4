// SPDX-License-Identifier: MIT
// Devices as streams: what their STEs say. IHI 0070 5.2; arch 2.4, 7.3.
#include <algorithm>

#include "impl/smmuv3/smmu.h"

namespace iommucheck::impl {

unsigned Smmu::pasid_bits(u32 device) const {
  if (by_stage2()) return 0;
  return std::min<u32>(device_config(device).ssid_bits, features_.ssid_bits);
}

bool Smmu::can_wait(u32 device) const {
  return !by_stage2() && features_.stall_model == 0 &&
         (device_config(device).flags & IOMMUCHECK_DEVICE_STALL) != 0;
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

u64 Smmu::ste_word0(const Route& route) const {
  if (route.kind == Route::Kind::bypass) return ste::bypass;
  if (route.kind == Route::Kind::blocked) return ste::blocked;
  return static_cast<const SmmuTable*>(route.table)->cds.ste_word0(route.pasid_bits);
}

namespace {

u64 s1dss_of(const Route& route) {
  if (route.first == Route::Kind::blocked) return ste::s1dss_terminate;
  return route.first == Route::Kind::bypass ? ste::s1dss_bypass : ste::s1dss_cd0;
}

}  // namespace

/// False if the STE has that word already.
bool Smmu::set_ste(u32 sid, unsigned word, u64 value) {
  if (streams_.word(platform_, sid, word) == value) return false;
  streams_.set_word(platform_, sid, word, value);
  return true;
}

/// S1DSS is of word 1, the table of word 0. While stage 1 is off nobody looks at S1DSS, and it goes
/// first. While it is on the table goes first: where S1DSS changes as well, CD 0 of the new table
/// is invalid, or the old S1DSS passes it by.
bool Smmu::prepare_route(u32 device, const Route& route) {
  if (route.kind != Route::Kind::table) return false;
  if (by_stage2()) return prepare_stage2(device, static_cast<const SmmuTable&>(*route.table));
  bool changed = false;
  for_each_stream(device, [&](u64 stream) {
    const auto sid = static_cast<u32>(stream);
    const u64 before = streams_.word(platform_, sid, 1);
    const u64 word1 = ste::with_s1dss(before, s1dss_of(route));
    if (before == word1) return;
    const bool on = ste::is_stage1(streams_.word(platform_, sid, 0));
    changed |= on ? set_ste(sid, 0, ste_word0(route)) : set_ste(sid, 1, word1);
  });
  return changed;
}

bool Smmu::set_route(u32 device, const Route& route) {
  bool changed = false;
  if (by_stage2()) {
    if (route.kind == Route::Kind::table) {
      return set_stage2(device, static_cast<const SmmuTable&>(*route.table));
    }
    postponed_[device] = {};
  }
  for_each_stream(device, [&](u64 stream) {
    const auto sid = static_cast<u32>(stream);
    if (route.kind == Route::Kind::table) {
      const u64 before = streams_.word(platform_, sid, 1);
      changed |= set_ste(sid, 1, ste::with_s1dss(before, s1dss_of(route)));
    }
    changed |= set_ste(sid, 0, ste_word0(route));
  });
  return changed;
}

/// CFGI for every STE of the device, which drops its CDs as well; its L1STD too if `whole`.
void Smmu::forget_route(u32 device, bool whole) {
  for_each_stream(device, [&](u64 sid) { add(command::cfgi_ste(sid, !whole)); });
}

}  // namespace iommucheck::impl
