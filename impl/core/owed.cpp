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
  if (result == SyncResult::unanswered) return ask_each();
  ++batch_;
  if (result == SyncResult::complete) return 0;
  owed_ = true;
  // A refused command leaves a queue that works: invalidate in another way.
  return result == SyncResult::skipped ? recover() : -IOMMUCHECK_ETIMEDOUT;
}

// ---- devices that do not answer ----

/// Some device of the batch has not answered, and nobody says which: each is asked by itself, for
/// everything. Whoever does not answer then either is blocked, so that what it has cached leads
/// nowhere, and all others are as if it had not been there. 0 or ETIMEDOUT.
int Core::ask_each() {
  const u64 batch = batch_++;
  for (u32 i = 0; i < config_->device_count; ++i) {
    if (devices_[i].asked != batch || !is_told(i)) continue;
    drop_everything_of(i);
    switch (backend_.flush()) {
      case SyncResult::complete: break;
      case SyncResult::unanswered:
        if (int error = isolate(i)) return error;
        break;
      default: owed_ = true; return -IOMMUCHECK_ETIMEDOUT;
    }
  }
  return 0;
}

/// 0, or ETIMEDOUT: that it is blocked may not be known everywhere until recovery.
int Core::isolate(u32 device) {
  devices_[device].isolated = true;
  platform_.log(IOMMUCHECK_LOG_ERROR,
                "a device does not answer invalidations of its cache: it is isolated");
  if (!set_route(device, {})) return 0;
  backend_.forget_route(device, false);
  const SyncResult result = backend_.flush();
  ++batch_;
  owed_ |= result != SyncResult::complete && result != SyncResult::unanswered;
  return owed_ ? -IOMMUCHECK_ETIMEDOUT : 0;
}

/// Asks an isolated one once more. What it has cached leads nowhere in either case.
bool Core::answers_again(u32 device) {
  devices_[device].isolated = false;
  drop_everything_of(device);
  const SyncResult result = backend_.flush();
  ++batch_;
  owed_ |= result != SyncResult::complete && result != SyncResult::unanswered;
  devices_[device].isolated = result != SyncResult::complete;
  return !devices_[device].isolated;
}

/// An isolated one reaches what it is to reach again, if it answers. 0, ETIMEDOUT.
int Core::rejoin(u32 device) {
  if (!devices_[device].isolated) return 0;
  if (!answers_again(device)) return -IOMMUCHECK_ETIMEDOUT;
  const int error = switch_route(device);
  if (error == 0) return 0;
  // Blocked as before: recovery has it rejoin.
  devices_[device].isolated = true;
  set_route(device, {});
  platform_.barrier();
  return error;
}

/// True: it may have changed.
bool Core::set_route(u32 device, const Route& route) {
  return stored(backend_.set_route(device, devices_[device].isolated ? Route{} : route));
}

/// True: something has changed that is to be known before it is asked again.
bool Core::prepare_route(u32 device, const Route& route) {
  if (devices_[device].isolated) return false;
  const Prepared prepared = backend_.prepare_route(device, route);
  if (prepared == Prepared::timed_out) unsure_ = owed_ = true;
  return prepared != Prepared::ready;
}

void Core::drop_device(u32 device, u32 pasid) {
  if (!is_told(device)) return;
  devices_[device].asked = batch_;
  backend_.drop_device(device, pasid);
}

/// At each PASID at which it can have cached anything.
void Core::drop_everything_of(u32 device) {
  if (devices_[device].had_user) return drop_device_wholly(device);
  drop_device(device, no_pasid);
  sva_.for_each_pasid([&](u32 pasid) { drop_device(device, pasid); });
  attachments_.for_each_used([&](const Attachment& at) {
    if (at.device == device) drop_device(device, at.pasid);
  });
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

/// The IOMMU's first, what users' tables have made of them next, where it does not go with all of
/// the tag: each could be refilled from those before, and a device's own cache from all.
int Core::drop_gathered(const Space& space) {
  with_places([&](auto visit) { for_each_place(space, visit); },
              [&](const Places& at) { backend_.drop_gathered(space.gather, space.tag, at); });
  if (space.combined && !space.gather.all()) {
    if (int error = commit()) return error;
    backend_.drop_inner(space.tag);
  }
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
  for_each_place(space, drop);
  if (space.pasid == no_pasid) drop_caches_of_user(*domain);
  return true;
}

void Core::drop_range_at(Tag tag, u64 first, u64 end, const Places& places) {
  Gather gather;
  // Tables may go as well as pages, and of pages nobody said at which level they were.
  gather.add({.first = first, .end = end, .leaf_levels = any_level, .tables = true});
  backend_.drop_gathered(gather, tag, places);
}

void Core::drop_device_translations(const Holder& holder, u32 pasid) {
  for_each_device(holder, [&](u32 device) {
    if (can_send(device, pasid)) drop_device(device, pasid);
  });
}

void Core::drop_device_range(const Holder& holder, u32 pasid, u64 first, u64 end) {
  for_each_device(holder, [&](u32 device) {
    if (is_told(device) && can_send(device, pasid)) {
      devices_[device].asked = batch_;
      backend_.drop_device_range(device, pasid, first, end);
    }
  });
}

/// All that the device can have cached while it had that table.
void Core::drop_all_of_device(u32 device, const Holder& holder) {
  if (!is_told(device)) return;
  if (devices_[device].had_user) return drop_device_wholly(device);
  drop_device(device, no_pasid);
  sva_.for_each_pasid(holder, [&](u32 pasid) { drop_device(device, pasid); });
}

}  // namespace iommucheck::impl
