// SPDX-License-Identifier: MIT
// Paying what is owed to caches, and what happens when the SMMU does not answer.
#include <bit>

#include "impl/smmuv3/smmu.h"

namespace iommucheck::impl {

/// Nothing of `space` that was taken out of its table can be in a cache any more.
void Smmu::settled(Space& space) {
  space.gather.clear();
  space.quarantine.clear();
  space.retired.free_all(platform_);
}

/// After a time-out: what waits for an invalidation goes on waiting, and is not mapped anew.
void Smmu::quarantine(Space& space) {
  if (space.gather.all()) space.quarantine.add_all();
  for (const TlbRange& range : space.gather) space.quarantine.add(range);
  space.gather.clear();
}

/// Ends a batch: 0 if it took effect, or if everything was invalidated instead; else ETIMEDOUT.
int Smmu::settle(SyncResult result) {
  if (result == SyncResult::complete) return 0;
  owed_ = true;
  // A refused command leaves a queue that works: invalidate in another way.
  return result == SyncResult::skipped ? recover() : -IOMMUCHECK_ETIMEDOUT;
}

int Smmu::commit() {
  const bool any = queued_;
  queued_ = false;
  if (owed_) return recover();
  return any ? settle(commands_.sync(platform_)) : 0;
}

/// Configuration, then TLBs, then ATCs: each could refill the next from what is stale.
int Smmu::invalidate_everything() {
  queued_ = false;
  commands_.forgive();
  commands_.add(platform_, command::cfgi_all());
  if (commands_.sync(platform_) != SyncResult::complete) return -IOMMUCHECK_ETIMEDOUT;
  if (features_.hypervisor) commands_.add(platform_, command::tlbi_el2_all());
  commands_.add(platform_, command::tlbi_nsnh_all());
  if (commands_.sync(platform_) != SyncResult::complete) return -IOMMUCHECK_ETIMEDOUT;
  return invalidate_atcs();
}

int Smmu::invalidate_atcs() {
  // While the SMMU is off, ATC_INV is ignored, and nothing that an ATC holds is let through.
  if ((cr0_ & reg::cr0_smmuen) == 0) return 0;
  for (u32 i = 0; i < config_->device_count; ++i) {
    if (!device_exists(i) || !has_ats(i)) continue;
    add_atc_all(i, 0);
    sva_.for_each_pasid([&](u32 pasid) { add_atc_all(i, pasid); });
  }
  if (!queued_) return 0;
  queued_ = false;
  const bool done = commands_.sync(platform_) == SyncResult::complete;
  return done ? 0 : -IOMMUCHECK_ETIMEDOUT;
}

/// Invalidates everything, which covers all that any time-out has left open.
int Smmu::recover() {
  owed_ = true;
  if (int error = invalidate_everything()) return error;
  owed_ = false;
  const auto settle_space = [&](Space& space) {
    settled(space);
    if (space.old_tag != 0) asids_.release(space.old_tag);
    space.old_tag = 0;
  };
  sva_.for_each_space(settle_space);
  sva_.recovered();
  domains_.for_each_used([&](Domain& domain) {
    settle_space(domain.space);
    domain.space.cached = domain.devices != 0;
    domain.cds.drop_abandoned(platform_);
    if (domain.zombie) release(domain);
  });
  // Where a move timed out, its device may have reached other spaces until now: nobody is bound
  // there for it, and whoever moves or leaves next would not end its faults.
  drain_events({});
  return 0;
}

/// Completes what `space` has gathered. 0 or ETIMEDOUT; then it is in quarantine.
int Smmu::complete(Space& space) {
  if (!space.cached) {
    settled(space);
    return 0;
  }
  if (space.gather.empty() && space.quarantine.empty()) return 0;
  if (int error = owed_ ? recover() : invalidate_gathered(space)) {
    quarantine(space);
    return error;
  }
  settled(space);
  return 0;
}

/// TLBs first: an ATC could be refilled from them.
int Smmu::invalidate_gathered(const Space& space) {
  emit_invalidation(space.gather, space.tag, features_.range_invalidation,
                    [&](Command command) { add(command); });
  if (int error = commit()) return error;
  add_atc_gathered(space);
  return commit();
}

void Smmu::add_atc_gathered(const Space& space) {
  const Domain* domain = domains_.find(space.domain);
  if (domain == nullptr || domain->ats_devices == 0) return;
  if (space.gather.all()) drop_device_translations(space.domain, space.pasid);
  for (const TlbRange& range : space.gather) {
    drop_device_range(space.domain, space.pasid, range.first, range.end);
  }
}

/// [first, end) of one PASID (0: none) in the device's ATC, by the smallest aligned power of two of
/// pages around it.
void Smmu::add_atc(u32 device, u32 pasid, u64 first, u64 end) {
  const u64 first_page = first >> page_lg2;
  const u64 last_page = (end - 1) >> page_lg2;
  const auto size_lg2 = static_cast<unsigned>(std::bit_width(first_page ^ last_page));
  const u64 address = first_page >> size_lg2 << size_lg2 << page_lg2;
  for_each_stream(device, [&](u64 sid) {
    add(command::atc_inv<u64>(sid, pasid, pasid != 0, address, size_lg2));
  });
}

void Smmu::add_atc_all(u32 device, u32 pasid) {
  for_each_stream(device, [&](u64 sid) {
    add(command::atc_inv<u64>(sid, pasid, pasid != 0, 0, command::atc_size_all));
  });
}

/// All that the device can have cached while it was on `domain`.
void Smmu::add_atc_everything(u32 device, iommucheck_handle domain) {
  if (!has_ats(device) || devices_[device].gone) return;
  add_atc_all(device, 0);
  sva_.for_each_pasid(domain, [&](u32 pasid) { add_atc_all(device, pasid); });
}

}  // namespace iommucheck::impl
