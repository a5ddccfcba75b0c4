// SPDX-License-Identifier: MIT
// What was queued for the IOMMU and for devices' own caches, whether it has acted, and what a
// time-out leaves open.
//
// Invariants that the code relies on, and keeps:
//  - after a time-out (`owed`) nothing that a cache may still hold is freed or used anew until
//    recover() has invalidated everything (SEMANTICS 5, quarantine). Where a route or an entry may
//    not say what it is to (`unsure`), recovery stores all of them again first;
//  - while a device is blocked its own cache holds nothing, unless it is isolated: one that has not
//    answered is blocked, whatever domain it is on, until it answers. So it owes nobody anything.
#pragma once

#include "base/types.h"
#include "impl/core/attachments.h"
#include "impl/core/backend.h"
#include "impl/core/devices.h"
#include "impl/core/objects.h"
#include "impl/platform/platform.h"

namespace iommucheck::impl {

class IoMms;

/// Invalidates everything, which covers all that any time-out has left open. 0, ETIMEDOUT.
struct Recover {
  virtual int recover() = 0;

 protected:
  ~Recover() = default;
};

class Batch {
 public:
  Batch(const Platform& platform, Backend& backend, Devices& devices, Attachments& attachments,
        IoMms& io_mms, Recover& recovery)
      : platform_(platform),
        backend_(backend),
        devices_(devices),
        attachments_(attachments),
        io_mms_(io_mms),
        recovery_(recovery) {}

  /// Sends what is queued: 0, or ETIMEDOUT; then it may or may not act until ensure_settled()
  /// returns 0.
  int commit();
  /// Pays what earlier time-outs left open. 0 or ETIMEDOUT.
  int ensure_settled() { return owed_ ? recovery_.recover() : 0; }

  // What is known.
  /// An invalidation has timed out, and none of everything has completed since.
  bool owed() const { return owed_; }
  void owe_if(bool owes) { owed_ |= owes; }
  /// Everything was invalidated.
  void paid() { owed_ = false; }
  /// What some route or entry says: a store of it has timed out.
  bool unsure() const { return unsure_; }
  void unsure_if(bool is) { unsure_ |= is; }
  /// Each is to be stored again.
  void begin_anew() { unsure_ = false; }
  void shutdown() { owed_ = unsure_ = false; }

  // Stores: what may have timed out is owed.
  /// True: it may have changed.
  bool set_route(u32 device, const Route& route);
  /// True: something has changed that is to be known before it is asked again.
  bool prepare_route(u32 device, const Route& route);
  Prepared prepare_entry(Table& table, u32 pasid, const Entry& entry);
  /// What timed out is owed: whoever commits next recovers, and stores all entries again.
  bool stored(Stored stored);

  // Translations that the IOMMU has cached.
  /// for_each(visit): visit(holder, pasid) for each entry with that tag.
  template <class ForEach>
  void drop_translations(Tag tag, const ForEach& for_each) {
    with_places(for_each, [&](const Places& at) { backend_.drop_translations(tag, at); });
  }
  template <class ForEach>
  void drop_range(Tag tag, u64 first, u64 end, const ForEach& for_each) {
    with_places(for_each, [&](const Places& at) { drop_range_at(tag, first, end, at); });
  }
  template <class ForEach, class Use>
  void with_places(const ForEach& for_each, Use use) {
    const auto all = [&](auto visit) {
      for_each([&](const Holder& holder, u32 pasid) {
        devices_.for_each_device(holder, [&](u32 device) { visit(device, pasid); });
      });
    };
    use(Places(all));
  }

  // What devices have cached themselves.
  void drop_device(u32 device, u32 pasid);
  void drop_device_wholly(u32 device);
  /// At each PASID at which it can have cached anything.
  void drop_everything_of(u32 device);
  void drop_device_translations(const Holder& holder, u32 pasid);
  void drop_device_range(const Holder& holder, u32 pasid, u64 first, u64 end);
  /// Somebody else's command has told it to drop something.
  void is_asked(u32 device) { devices_[device].asked = number_; }
  /// All that any has, acted. Last, as they fill from what was dropped before. 0, ETIMEDOUT.
  int drop_device_caches();
  /// Asks an isolated one once more. What it has cached leads nowhere in either case.
  bool answers_again(u32 device);

 private:
  int ask_each();
  int isolate(u32 device);
  void drop_range_at(Tag tag, u64 first, u64 end, const Places& places);

  const Platform& platform_;
  Backend& backend_;
  Devices& devices_;
  Attachments& attachments_;
  IoMms& io_mms_;
  Recover& recovery_;
  u64 number_ = 1;  // of what devices are told to drop
  bool owed_ = false;
  bool unsure_ = false;
};

/// In the IOMMU itself.
inline bool has_acted(SyncResult result) {
  return result == SyncResult::complete || result == SyncResult::unanswered;
}

}  // namespace iommucheck::impl
