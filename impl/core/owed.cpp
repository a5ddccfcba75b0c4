// SPDX-License-Identifier: MIT
// Paying what is owed to caches, and what happens when the IOMMU does not answer.
#include "impl/core/core.h"

namespace iommucheck::impl {

/// Nothing of `space` that was taken out of its table can be in a cache any more.
void Core::settled(Space& space) {
  space.gather.clear();
  space.quarantine.clear();
  if (!space.tables_wait) return;
  space.tables_wait = false;
  backend_.free_retired(space);
}

/// After a time-out: what waits for an invalidation goes on waiting, and is not mapped anew.
void Core::quarantine(Space& space) {
  if (space.gather.all()) space.quarantine.add_all();
  for (const TlbRange& range : space.gather) space.quarantine.add(range);
  space.gather.clear();
}

/// Ends a batch: 0 if it took effect, or if everything was invalidated instead; else ETIMEDOUT.
int Core::commit() {
  if (owed_) return recover();
  const SyncResult result = backend_.flush();
  if (result == SyncResult::complete) return 0;
  owed_ = true;
  // A refused command leaves a queue that works: invalidate in another way.
  return result == SyncResult::skipped ? recover() : -IOMMUCHECK_ETIMEDOUT;
}

/// Completes what `space` has gathered. 0 or ETIMEDOUT; then it is in quarantine. What waits for
/// the walkers of a foreign one goes on waiting.
int Core::complete(Space& space) {
  if (space.foreign) return 0;
  if (!space.cached) {
    settled(space);
    return 0;
  }
  if (space.gather.empty() && space.quarantine.empty()) return 0;
  if (int error = owed_ ? recover() : drop_gathered(space)) {
    quarantine(space);
    return error;
  }
  settled(space);
  return 0;
}

/// The IOMMU's first: a device's own cache could be refilled from them.
int Core::drop_gathered(const Space& space) {
  backend_.drop_gathered(space.gather, space.tag);
  if (int error = commit()) return error;
  return drop_gathered_of_devices(space) ? commit() : 0;
}

/// False: no device has cached anything itself.
bool Core::drop_gathered_of_devices(const Space& space) {
  const Domain* domain = domains_.find(space.domain);
  if (domain == nullptr || domain->caching_devices == 0) return false;
  const auto drop = [&](const Holder& holder, u32 pasid) {
    if (space.gather.all()) drop_device_translations(holder, pasid);
    for (const TlbRange& range : space.gather) {
      drop_device_range(holder, pasid, range.first, range.end);
    }
  };
  if (space.pasid != no_pasid) {
    sva_.for_each_holder(space, true, [&](const Holder& holder) { drop(holder, space.pasid); });
    return true;
  }
  // Whoever is on it, by whatever table.
  for_each_device(space.domain, [&](u32 device) { drop(Holder{.device = device}, no_pasid); });
  attachments_.for_each_used([&](const Attachment& at) {
    if (at.domain == space.domain) drop(Holder{.device = at.device}, at.pasid);
  });
  return true;
}

void Core::drop_range(u64 tag, u64 first, u64 end) {
  Gather gather;
  // Tables may go as well as pages, and of pages nobody said at which level they were.
  gather.add({.first = first, .end = end, .leaf_levels = any_level, .tables = true});
  backend_.drop_gathered(gather, tag);
}

void Core::drop_device_translations(const Holder& holder, u32 pasid) {
  for_each_device(holder, [&](u32 device) {
    const bool reaches = backend_.has_cache(device) && !devices_[device].gone;
    if (reaches && can_send(device, pasid)) backend_.drop_device(device, pasid);
  });
}

void Core::drop_device_range(const Holder& holder, u32 pasid, u64 first, u64 end) {
  for_each_device(holder, [&](u32 device) {
    const bool reaches = backend_.has_cache(device) && !devices_[device].gone;
    if (reaches && can_send(device, pasid)) {
      backend_.drop_device_range(device, pasid, first, end);
    }
  });
}

/// All that the device can have cached while it had that table.
void Core::drop_all_of_device(u32 device, const Holder& holder) {
  if (!backend_.has_cache(device) || devices_[device].gone) return;
  backend_.drop_device(device, no_pasid);
  sva_.for_each_pasid(holder, [&](u32 pasid) { backend_.drop_device(device, pasid); });
}

}  // namespace iommucheck::impl
