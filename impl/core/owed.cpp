// SPDX-License-Identifier: MIT
#include "impl/core/owed.h"

#include "impl/core/batch.h"
#include "impl/core/domains.h"

namespace iommucheck::impl {

void Debts::settled(Space& space) {
  space.gather.clear();
  space.quarantine.clear();
  if (!space.tables_wait) return;
  space.tables_wait = false;
  backend_.free_retired(space);
}

void Debts::quarantine(Space& space) {
  if (space.gather.all()) space.quarantine.add_all();
  for (const TlbRange& range : space.gather) space.quarantine.add(range);
  space.gather.clear();
}

int Debts::complete(Space& space) {
  if (space.foreign) return 0;
  if (!space.cached) {
    settled(space);
    return 0;
  }
  if (space.gather.empty() && space.quarantine.empty()) return 0;
  if (int error = batch_.owed() ? batch_.ensure_settled() : drop_gathered(space)) {
    quarantine(space);
    return error;
  }
  settled(space);
  return 0;
}

/// The IOMMU's first, what users' tables have made of them next, where it does not go with all of
/// the tag: each could be refilled from those before, and a device's own cache from all.
int Debts::drop_gathered(const Space& space) {
  batch_.with_places(
      [&](auto visit) { for_each_place(space, visit); },
      [&](const Places& at) { backend_.drop_gathered(space.gather, space.tag, at); });
  if (space.combined && !space.gather.all()) {
    if (int error = batch_.commit()) return error;
    backend_.drop_inner(space.tag);
  }
  if (int error = batch_.commit()) return error;
  return drop_gathered_of_devices(space) ? batch_.commit() : 0;
}

/// False: no device has cached anything itself.
bool Debts::drop_gathered_of_devices(const Space& space) {
  const Domain* domain = domains_.find(space.domain);
  if (domain == nullptr || domain->caching_devices == 0) return false;
  const auto drop = [&](const Holder& holder, u32 pasid) {
    if (space.gather.all()) batch_.drop_device_translations(holder, pasid);
    for (const TlbRange& range : space.gather) {
      batch_.drop_device_range(holder, pasid, range.first, range.end);
    }
  };
  for_each_place(space, drop);
  if (space.pasid == no_pasid) drop_caches_of_user(*domain);
  return true;
}

/// Of which addresses what was mapped there has come to be known is the user's affair, and of which
/// PASIDs where these are its own.
void Debts::drop_caches_of_user(const Domain& parent) {
  if (parent.user_devices == 0) return;
  for (u32 i = 0; i < devices_.count(); ++i) {
    const Domain* its = domains_.find(devices_[i].domain);
    if (its == nullptr || its->parent != &parent) continue;
    domains_.users_by_entries() ? batch_.drop_device(i, no_pasid) : batch_.drop_device_wholly(i);
  }
  attachments_.for_each_used([&](const Attachment& at) {
    const Domain* its = domains_.find(at.domain);
    if (its != nullptr && its->parent == &parent) batch_.drop_device(at.device, at.pasid);
  });
}

void Debts::drop_all_of_device(u32 device, const Holder& holder) {
  if (!devices_.is_told(device)) return;
  if (devices_[device].had_user) return batch_.drop_device_wholly(device);
  batch_.drop_device(device, no_pasid);
  uses_.for_each_pasid(holder, [&](u32 pasid) { batch_.drop_device(device, pasid); });
}

int Debts::empty_if_left(Domain& domain, u32 device, u32 pasid) {
  Space* space = domain.reached();
  if (space == nullptr) return 0;
  if (backend_.drops_by_place()) {
    const Holder its = {.device = device};
    batch_.drop_translations(space->tag, [&](auto visit) { visit(its, pasid); });
    if (int error = batch_.commit()) return error;
  }
  const bool left = !(domain.parent != nullptr ? *domain.parent : domain).has_devices();
  if (left) space->gather.add_all();
  if (int error = complete(*space)) return error;
  if (left) space->cached = space->combined = false;
  return 0;
}

}  // namespace iommucheck::impl
