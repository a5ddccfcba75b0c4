// SPDX-License-Identifier: MIT
// What the SMMU and its devices forget, as commands. arch 5.
#include <bit>

#include "impl/smmuv3/invalidation.h"
#include "impl/smmuv3/smmu.h"

namespace iommucheck::impl {

void Smmu::drop_gathered(const Gather& gather, Tag tag, const Places& /*places*/) {
  if (is_vmid(tag)) return drop_stage2(gather, tag.outer);
  emit_invalidation(gather, tag.inner, features_.range_invalidation, features_.page,
                    [&](Command command) { add(command); });
}

void Smmu::drop_device(u32 device, u32 pasid) {
  for_each_stream(device, [&](u64 sid) {
    add(command::atc_inv<u64>(sid, ssid_of(pasid), pasid != no_pasid, 0, command::atc_size_all));
  });
}

/// [first, end) of one PASID, or of none, in the device's ATC, by the smallest aligned power of two
/// of pages around it.
void Smmu::drop_device_range(u32 device, u32 pasid, u64 first, u64 end) {
  const u64 first_page = first >> page_lg2;
  const u64 last_page = (end - 1) >> page_lg2;
  const auto size_lg2 = static_cast<unsigned>(std::bit_width(first_page ^ last_page));
  const u64 address = first_page >> size_lg2 << size_lg2 << page_lg2;
  for_each_stream(device, [&](u64 sid) {
    add(command::atc_inv<u64>(sid, ssid_of(pasid), pasid != no_pasid, address, size_lg2));
  });
}

/// CFGI_CD for every stream of the device; the L1CD too if `whole`.
void Smmu::forget_entry(u32 device, u32 pasid, bool whole) {
  for_each_stream(device,
                  [&](u64 sid) { add(command::cfgi_cd<u64>(sid, ssid_of(pasid), !whole)); });
}

/// An empty batch costs nothing.
SyncResult Smmu::flush() {
  if (!queued_) return SyncResult::complete;
  queued_ = false;
  return commands_.sync(platform_);
}

/// Configuration, then TLBs: the one could refill the other from what is stale.
bool Smmu::drop_everything() {
  // What devices have not answered was there before, and is asked of them again after this.
  const auto acts = [&] {
    const SyncResult result = commands_.sync(platform_);
    return result == SyncResult::complete || result == SyncResult::unanswered;
  };
  queued_ = false;
  commands_.forgive();
  commands_.add(platform_, command::cfgi_all());
  if (!acts()) return false;
  if (!set_postponed()) return false;
  if (features_.hypervisor) commands_.add(platform_, command::tlbi_el2_all());
  commands_.add(platform_, command::tlbi_nsnh_all());
  return acts();
}

}  // namespace iommucheck::impl
