// SPDX-License-Identifier: MIT
// What spaces owe to caches for what was taken out of their tables: gathered, in quarantine after a
// time-out, or paid. The state of it is the space's (space.h).
//
// A `Space::foreign` is in no cache that a command reaches, and in those of walkers until its
// caller says that they are flushed: only then (sync, flush_all) parts of its table are freed.
#pragma once

#include "base/types.h"
#include "impl/core/attachments.h"
#include "impl/core/backend.h"
#include "impl/core/devices.h"
#include "impl/core/domain.h"
#include "impl/core/objects.h"
#include "impl/core/uses.h"

namespace iommucheck::impl {

class Batch;
class Domains;

class Debts {
 public:
  Debts(Backend& backend, Devices& devices, Domains& domains, Attachments& attachments, Uses& uses,
        Batch& batch)
      : backend_(backend),
        devices_(devices),
        domains_(domains),
        attachments_(attachments),
        uses_(uses),
        batch_(batch) {}

  /// Completes what `space` has gathered. 0 or ETIMEDOUT; then it is in quarantine. What waits for
  /// the walkers of a foreign one goes on waiting.
  int complete(Space& space);
  /// Nothing of `space` that was taken out of its table can be in a cache any more.
  void settled(Space& space);
  /// After a time-out: what waits for an invalidation goes on waiting, and is not mapped anew.
  static void quarantine(Space& space);
  /// The device has left the domain there, which is known. If nobody is on it any more the tag is
  /// emptied, so that it owes nothing from here on. Else what it has gathered is completed.
  int empty_if_left(Domain& domain, u32 device, u32 pasid);
  /// All that the device can have cached while it had that table.
  void drop_all_of_device(u32 device, const Holder& holder);

  /// visit(holder, pasid) for every place that its translations may be of: where its entry is dead
  /// as well, and by whatever table.
  template <class Visit>
  void for_each_place(const Space& space, Visit visit) {
    if (space.pasid != no_pasid) {
      uses_.for_each_holder(space, true, [&](const Holder& holder) { visit(holder, space.pasid); });
      return;
    }
    devices_.for_each_device(space.domain,
                             [&](u32 device) { visit(Holder{.device = device}, no_pasid); });
    attachments_.for_each_used([&](const Attachment& at) {
      if (at.domain == space.domain) visit(Holder{.device = at.device}, at.pasid);
    });
  }

 private:
  int drop_gathered(const Space& space);
  bool drop_gathered_of_devices(const Space& space);
  void drop_caches_of_user(const Domain& parent);

  Backend& backend_;
  Devices& devices_;
  Domains& domains_;
  Attachments& attachments_;
  Uses& uses_;
  Batch& batch_;
};

}  // namespace iommucheck::impl
