// SPDX-License-Identifier: MIT
#include "impl/core/batch.h"

#include "impl/core/io_mms.h"

namespace iommucheck::impl {

/// Ends a batch: 0 if it took effect, or if everything was invalidated instead; else ETIMEDOUT.
int Batch::commit() {
  if (owed_) return recovery_.recover();
  const SyncResult result = backend_.flush();
  if (result == SyncResult::unanswered) return ask_each();
  ++number_;
  if (result == SyncResult::complete) return 0;
  owed_ = true;
  // A refused command leaves a queue that works: invalidate in another way.
  return result == SyncResult::skipped ? recovery_.recover() : -IOMMUCHECK_ETIMEDOUT;
}

/// Some device of the batch has not answered, and nobody says which: each is asked by itself, for
/// everything. Whoever does not answer then either is blocked, so that what it has cached leads
/// nowhere, and all others are as if it had not been there. 0 or ETIMEDOUT.
int Batch::ask_each() {
  const u64 batch = number_++;
  for (u32 i = 0; i < devices_.count(); ++i) {
    if (devices_[i].asked != batch || !devices_.is_told(i)) continue;
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
int Batch::isolate(u32 device) {
  devices_[device].isolated = true;
  platform_.log(IOMMUCHECK_LOG_ERROR,
                "a device does not answer invalidations of its cache: it is isolated");
  if (!set_route(device, {})) return 0;
  backend_.forget_route(device, false);
  const SyncResult result = backend_.flush();
  ++number_;
  owed_ |= result != SyncResult::complete && result != SyncResult::unanswered;
  return owed_ ? -IOMMUCHECK_ETIMEDOUT : 0;
}

bool Batch::answers_again(u32 device) {
  devices_[device].isolated = false;
  drop_everything_of(device);
  const SyncResult result = backend_.flush();
  ++number_;
  owed_ |= result != SyncResult::complete && result != SyncResult::unanswered;
  devices_[device].isolated = result != SyncResult::complete;
  return !devices_[device].isolated;
}

bool Batch::stored(Stored stored) {
  if (stored != Stored::timed_out) return stored == Stored::changed;
  unsure_ = owed_ = true;
  return true;
}

bool Batch::set_route(u32 device, const Route& route) {
  return stored(backend_.set_route(device, devices_[device].isolated ? Route{} : route));
}

bool Batch::prepare_route(u32 device, const Route& route) {
  if (devices_[device].isolated) return false;
  const Prepared prepared = backend_.prepare_route(device, route);
  if (prepared == Prepared::timed_out) unsure_ = owed_ = true;
  return prepared != Prepared::ready;
}

Prepared Batch::prepare_entry(Table& table, u32 pasid, const Entry& entry) {
  const Prepared prepared = backend_.prepare_entry(table, pasid, entry);
  if (prepared == Prepared::timed_out) unsure_ = owed_ = true;
  return prepared;
}

void Batch::drop_range_at(Tag tag, u64 first, u64 end, const Places& places) {
  Gather gather;
  // Tables may go as well as pages, and of pages nobody said at which level they were.
  gather.add({.first = first, .end = end, .leaf_levels = any_level, .tables = true});
  backend_.drop_gathered(gather, tag, places);
}

void Batch::drop_device(u32 device, u32 pasid) {
  if (!devices_.is_told(device)) return;
  is_asked(device);
  backend_.drop_device(device, pasid);
}

void Batch::drop_device_wholly(u32 device) {
  if (!devices_.is_told(device)) return;
  is_asked(device);
  backend_.drop_device_wholly(device);
}

void Batch::drop_everything_of(u32 device) {
  if (devices_[device].had_user) return drop_device_wholly(device);
  drop_device(device, no_pasid);
  io_mms_.for_each_pasid([&](u32 pasid) { drop_device(device, pasid); });
  attachments_.for_each_used([&](const Attachment& at) {
    if (at.device == device) drop_device(device, at.pasid);
  });
}

void Batch::drop_device_translations(const Holder& holder, u32 pasid) {
  devices_.for_each_device(holder, [&](u32 device) {
    if (devices_.can_send(device, pasid)) drop_device(device, pasid);
  });
}

void Batch::drop_device_range(const Holder& holder, u32 pasid, u64 first, u64 end) {
  devices_.for_each_device(holder, [&](u32 device) {
    if (devices_.is_told(device) && devices_.can_send(device, pasid)) {
      is_asked(device);
      backend_.drop_device_range(device, pasid, first, end);
    }
  });
}

/// All that devices have cached themselves; last, as they fill from what was dropped before.
int Batch::drop_device_caches() {
  // While nothing is translated, nothing that a device has cached is let through.
  if (!backend_.translates()) return 0;
  for (u32 i = 0; i < devices_.count(); ++i) {
    if (devices_.present(i)) drop_everything_of(i);
  }
  const SyncResult result = backend_.flush();
  if (result == SyncResult::unanswered) return ask_each();
  ++number_;
  return result == SyncResult::complete ? 0 : -IOMMUCHECK_ETIMEDOUT;
}

}  // namespace iommucheck::impl
