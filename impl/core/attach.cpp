// SPDX-License-Identifier: MIT
// Who translates through what. INTERFACE "Attach".
#include "impl/core/core.h"

namespace iommucheck::impl {

Route Core::route_to(const Domain* domain, u32 device) const {
  if (domain == nullptr || domain->kind == IOMMUCHECK_DOMAIN_BLOCKED) return {};
  if (domain->kind == IOMMUCHECK_DOMAIN_IDENTITY) return {.kind = Route::Kind::bypass};
  return {.kind = Route::Kind::table, .table = domain->table, .pasid_bits = pasid_bits(device)};
}

/// A device has left `domain`, for the IOMMU too. What it has gathered is completed; if it was the
/// last one the tag is emptied, so that the domain owes nothing from here on.
int Core::leave(Domain& domain, u32 device) {
  const iommucheck_handle handle = domains_.handle(domain);
  --domain.devices;
  if (backend_.has_cache(device)) --domain.caching_devices;
  if (!domain.is_paging()) return 0;
  sva_.end_faults(handle, device);
  sva_.update_waits(handle);
  if (domain.devices != 0) {
    const int error = commit();
    const int late = complete(*domain.space);
    return error != 0 ? error : late;
  }
  const int error = sva_.domain_left(handle);
  domain.space->gather.add_all();
  if (int late = complete(*domain.space)) return late;
  domain.space->cached = false;
  return error;
}

/// Switches the routes of all that move to `domain`. On an error they are what they were.
int Core::move_devices(u32 device, Domain& domain) {
  const iommucheck_handle to = domains_.handle(domain);
  for_each_moving(device, [&](u32 i) { devices_[i].domain = to; });
  sva_.update_waits(to);
  // Table stores of the new domain come first, whatever has been ordered since.
  platform_.barrier();
  for_each_moving(device, [&](u32 i) {
    if (!backend_.set_route(i, route_to(&domain, i))) return;
    if (domain.is_paging()) domain.space->cached = true;
    backend_.forget_route(i, false);
  });
  int error = commit();
  if (error == 0) {
    for_each_moving(device, [&](u32 i) {
      const Domain* before = domains_.find(devices_[i].from);
      if (before == nullptr || !before->is_paging()) return;
      drop_all_of_device(i, devices_[i].from);
      // Those who stay may wait for answers now, or no longer: while failing still changes nothing.
      sva_.update_waits(devices_[i].from);
    });
    error = commit();
  }
  if (error == 0) {
    if (domain.is_paging()) domain.space->cached = true;
    return 0;
  }
  // Nothing is known: back to what was, and all domains stay cached until recovery.
  for_each_moving(
      device, [&](u32 i) { backend_.set_route(i, route_to(domains_.find(devices_[i].from), i)); });
  platform_.barrier();
  for_each_moving(device, [&](u32 i) { devices_[i].domain = devices_[i].from; });
  sva_.update_waits(to);
  for_each_moving(device, [&](u32 i) { sva_.update_waits(devices_[i].from); });
  return error;
}

/// Accepted, without effect: who walks a dynamic domain's table goes there without the IOMMU.
int Core::attach_dynamic(const Domain& domain, u32 device) const {
  return devices_[device].domain == domain.master ? 0 : -IOMMUCHECK_EINVAL;
}

int Core::attach(iommucheck_handle handle, u32 device) {
  if (!device_present(device)) return -IOMMUCHECK_ENODEV;
  Domain* domain = domains_.find(handle);
  if (domain == nullptr || domain->zombie) return -IOMMUCHECK_EINVAL;
  if (domain->is_dynamic()) return attach_dynamic(*domain, device);
  bool any = false;
  for_each_member(device, [&](u32 i) {
    devices_[i].moving = devices_[i].domain != handle;
    devices_[i].from = devices_[i].domain;
    any |= devices_[i].moving;
  });
  if (!any) return 0;
  if (sva_.bound(device)) return -IOMMUCHECK_EBUSY;
  if (int error = ensure_settled()) return error;

  // Leaving implies a sync, for those who stay as well; now, while failing changes nothing.
  int error = 0;
  for_each_moving(device, [&](u32 i) {
    Domain* before = domains_.find(devices_[i].from);
    const bool paging = before != nullptr && before->is_paging();
    if (paging && error == 0) error = complete(*before->space);
  });
  if (error != 0) return error;
  error = move_devices(device, *domain);
  if (error != 0) return error;
  for_each_moving(device, [&](u32 i) {
    ++domain->devices;
    if (backend_.has_cache(i)) ++domain->caching_devices;
  });
  // They have moved. If only an old tag cannot be emptied now, that domain stays `cached`, and its
  // own next call tells.
  for_each_moving(device, [&](u32 i) {
    if (Domain* before = domains_.find(devices_[i].from)) leave(*before, i);
  });
  return 0;
}

/// All of the group that are there: from `domain` to blocked. ETIMEDOUT: they are off for the
/// caller, and what they may still reach is in quarantine.
int Core::take_off(Domain& domain, u32 device) {
  const iommucheck_handle handle = domains_.handle(domain);
  bool changed = false;
  for_each_member(device, [&](u32 i) {
    devices_[i].moving = devices_[i].domain == handle;
    if (!devices_[i].moving) return;
    const bool its = backend_.set_route(i, {});
    devices_[i].domain = 0;
    if (its) backend_.forget_route(i, false);
    changed |= its;
  });
  int error = 0;
  // Where a move timed out, its route may be cached though memory never says so again.
  if (changed || owed_) {
    error = commit();
    if (error == 0 && domain.is_paging()) {
      for_each_moving(device, [&](u32 i) { drop_all_of_device(i, handle); });
      error = commit();
    }
  }
  if (error == 0) {
    for_each_moving(device, [&](u32 i) {
      const int late = leave(domain, i);
      if (error == 0) error = late;
    });
    return error;
  }
  for_each_moving(device, [&](u32 i) {
    --domain.devices;
    if (backend_.has_cache(i)) --domain.caching_devices;
  });
  if (domain.is_paging()) quarantine(*domain.space);
  sva_.update_waits(handle);
  if (domain.devices == 0) sva_.domain_left(handle);
  return error;
}

int Core::detach(iommucheck_handle handle, u32 device) {
  if (!device_present(device)) return -IOMMUCHECK_ENODEV;
  if (domains_.find(handle) == nullptr || devices_[device].domain != handle) {
    return -IOMMUCHECK_EINVAL;
  }
  const int error = sva_.unbind_dev_all(device);
  if (error != 0 && error != -IOMMUCHECK_ETIMEDOUT) return error;
  // Handlers may have been waited for, while other calls came.
  Domain* domain = domains_.find(handle);
  if (domain == nullptr || !device_present(device) || devices_[device].domain != handle) {
    return error;
  }
  const int late = take_off(*domain, device);
  return late != 0 ? late : error;
}

}  // namespace iommucheck::impl
