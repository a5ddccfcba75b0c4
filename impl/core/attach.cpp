// SPDX-License-Identifier: MIT
// Who translates through what. INTERFACE "Attach".
#include <utility>

#include "impl/core/core.h"

namespace iommucheck::impl {

Route Core::route_to(const Domain* domain, const Table* own, u32 device) const {
  if (domain == nullptr) return {};
  if (domain->is_nested() && !users_by_entries_) {
    return {
        .kind = Route::Kind::user, .table = domain->parent->table, .structure = domain->structure};
  }
  Route::Kind rid = Route::Kind::table;
  if (domain->kind == IOMMUCHECK_DOMAIN_BLOCKED) rid = Route::Kind::blocked;
  if (domain->kind == IOMMUCHECK_DOMAIN_IDENTITY) rid = Route::Kind::bypass;
  const Table* table = own != nullptr ? own : domain->table;
  if (table == nullptr) return {.kind = rid};
  return {
      .kind = Route::Kind::table, .table = table, .pasid_bits = pasid_bits(device), .first = rid};
}

// ---- tables of the devices' own ----

bool Core::wants_table(u32 device, const Domain& domain) {
  return has_attachments(device) || (own_tables_ && domain.is_paging());
}

/// With tables of their own those that move get another one, complete before its route leads there:
/// so that the route changes by one store, whatever they had. 0, ENOMEM, ETIMEDOUT.
int Core::open_next_tables(u32 device, const Domain& domain) {
  bool all = true;
  for_each_moving(device, [&](u32 i) {
    if (!all || !wants_table(i, domain)) return;
    devices_[i].next_table = open_own_table(i, domain);
    all &= devices_[i].next_table != nullptr;
  });
  if (all) return 0;
  for_each_moving(device, [&](u32 i) { close_next_table(i); });
  return none_made();
}

/// Nothing leads to it, and that is known.
void Core::close_next_table(u32 device) {
  if (devices_[device].next_table != nullptr) backend_.close_table(*devices_[device].next_table);
  devices_[device].next_table = nullptr;
}

void Core::close_own_table(u32 device) {
  if (devices_[device].table != nullptr) backend_.close_table(*devices_[device].table);
  devices_[device].table = nullptr;
}

/// Nothing has led to it. What could not be stored may come late.
void Core::close_unused(Table* table) {
  if (table != nullptr) owed_ ? keep_table(table) : backend_.close_table(*table);
}

/// A time-out: what led to it may still be cached, until recovery.
void Core::keep_table(Table*& table) {
  if (table == nullptr) return;
  table->next_waiting = waiting_tables_;
  waiting_tables_ = table;
  table = nullptr;
}

/// Leads the device to where its domain and its table say, completely. 0, ETIMEDOUT.
int Core::switch_route(u32 device) {
  const Route route =
      route_to(domains_.find(devices_[device].domain), devices_[device].table, device);
  while (prepare_route(device, route)) {
    backend_.forget_route(device, false);
    if (int error = commit()) return error;
  }
  if (!set_route(device, route)) return 0;
  backend_.forget_route(device, false);
  return commit();
}

// ---- attach ----

/// The device has left the domain there, which is known. If nobody is on it any more the tag is
/// emptied, so that it owes nothing from here on. Else what it has gathered is completed.
int Core::empty_if_left(Domain& domain, u32 device, u32 pasid) {
  Space* space = domain.reached();
  if (space == nullptr) return 0;
  if (backend_.drops_by_place()) {
    const Holder its = {.device = device};
    drop_translations(space->tag, [&](auto visit) { visit(its, pasid); });
    if (int error = commit()) return error;
  }
  const bool left = !(domain.parent != nullptr ? *domain.parent : domain).has_devices();
  if (left) space->gather.add_all();
  if (int error = complete(*space)) return error;
  if (left) space->cached = space->combined = false;
  return 0;
}

/// Devices that cache themselves: on `domain`, and in its parent's user. `by`: 1, or its negative.
void Core::count_cached(Domain& domain, u32 device, u32 by) {
  if (!backend_.has_cache(device)) return;
  domain.caching_devices += by;
  if (domain.parent != nullptr) domain.parent->caching_devices += by;
}

void Core::count_device(Domain& domain, u32 device) {
  ++domain.devices;
  if (domain.parent != nullptr) ++domain.parent->user_devices;
  count_cached(domain, device, 1);
}

void Core::uncount_device(Domain& domain, u32 device) {
  --domain.devices;
  if (domain.parent != nullptr) --domain.parent->user_devices;
  count_cached(domain, device, ~u32{0});
}

/// Something leads there.
void Core::may_be_cached(Domain& domain) {
  Space* space = domain.reached();
  if (space == nullptr) return;
  space->cached = true;
  if (domain.is_nested()) space->combined = true;
}

/// A device has left `domain`, where it met that table, for the IOMMU too.
int Core::leave(Domain& domain, u32 device, const Holder& holder) {
  const iommucheck_handle handle = domains_.handle(domain);
  uncount_device(domain, device);
  if (!domain.is_paging()) return empty_if_left(domain, device, no_pasid);
  sva_.end_faults(holder, device);
  if (!holder.is_own()) sva_.update_waits(holder);
  const int error = domain.devices != 0 ? commit() : sva_.domain_left(handle);
  const int late = empty_if_left(domain, device, no_pasid);
  return error != 0 ? error : late;
}

/// Switches the routes of all that move to `domain`. On an error they are what they were.
int Core::move_devices(u32 device, Domain& domain) {
  users_part(device, &domain);
  const iommucheck_handle to = domains_.handle(domain);
  Space* reached = domain.reached();
  const auto swap_tables = [&](u32 i) { std::swap(devices_[i].table, devices_[i].next_table); };
  for_each_moving(device, [&](u32 i) {
    devices_[i].domain = to;
    swap_tables(i);
  });
  sva_.update_waits(Holder{.domain = to});
  // Table stores of the new domain come first, whatever has been ordered since.
  platform_.barrier();
  const auto route = [&](u32 i) { return route_to(&domain, devices_[i].table, i); };
  int error = 0;
  for (bool prepared = true; prepared && error == 0;) {
    prepared = false;
    for_each_moving(device, [&](u32 i) {
      if (!prepare_route(i, route(i))) return;
      // It may be what leads there already.
      if (reached != nullptr) reached->cached = true;
      backend_.forget_route(i, false);
      prepared = true;
    });
    if (prepared) error = commit();
  }
  if (error == 0) {
    for_each_moving(device, [&](u32 i) {
      devices_[i].had_user |= domain.is_nested() && !users_by_entries_;
      if (!set_route(i, route(i))) return;
      may_be_cached(domain);
      backend_.forget_route(i, false);
    });
    error = commit();
  }
  if (error == 0) {
    for_each_moving(device, [&](u32 i) {
      const Domain* before = domains_.find(devices_[i].from);
      const bool cached =
          devices_[i].next_table != nullptr || (before != nullptr && before->reached() != nullptr);
      if (!cached) return;
      drop_all_of_device(i, holder_before(i));
      // Those who stay may wait for answers now, or no longer: while failing still changes nothing.
      sva_.update_waits(Holder{.domain = devices_[i].from});
    });
    error = commit();
  }
  if (error == 0) {
    users_have_parted(device);
    may_be_cached(domain);
    return 0;
  }
  // Nothing is known: back to what was, and all domains stay cached until recovery.
  for_each_moving(device, [&](u32 i) {
    swap_tables(i);
    set_route(i, route_to(domains_.find(devices_[i].from), devices_[i].table, i));
  });
  platform_.barrier();
  for_each_moving(device, [&](u32 i) {
    devices_[i].domain = devices_[i].from;
    keep_table(devices_[i].next_table);
  });
  sva_.update_waits(Holder{.domain = to});
  for_each_moving(device, [&](u32 i) { sva_.update_waits(Holder{.domain = devices_[i].from}); });
  return error;
}

/// Whether faults that somebody reads would not wait if those that move shared the domain's table:
/// those of others there, or their own. INTERFACE "Faults".
bool Core::would_silence(u32 device, const Domain& domain) {
  if (!domain.is_paging() || backend_.devices_wait_alone()) return false;
  const Holder holder = {.domain = domains_.handle(domain)};
  bool would = false;
  for_each_moving(device, [&](u32 i) {
    if (wants_table(i, domain) || pasid_bits(i) == 0) return;
    would |=
        backend_.can_wait(i) ? faults_.has_queue(i) && !may_wait(holder) : reads_faults(holder);
  });
  return would;
}

/// Where an outer space is there are no PASIDs, and domains stand at some.
bool Core::would_lose_pasids(u32 device, const Domain& domain) {
  bool would = false;
  for_each_moving(device, [&](u32 i) { would |= takes_pasids(domain) && has_attachments(i); });
  return would;
}

/// Whether all of the group can be led there by their routes.
bool Core::can_pass(u32 device, const Domain& domain) const {
  bool all = true;
  for_each_member(device, [&](u32 i) {
    all &= domain.kind != IOMMUCHECK_DOMAIN_IDENTITY ||
           backend_.can_route(Route::Kind::bypass, i, false);
  });
  return all;
}

/// Accepted, without effect, attach and detach: who walks a dynamic domain's table goes there
/// without the IOMMU.
int Core::move_dynamic(const Domain& domain, u32 device) const {
  return devices_[device].domain == domain.master ? 0 : -IOMMUCHECK_EINVAL;
}

int Core::attach(iommucheck_handle handle, u32 device) {
  if (!device_present(device)) return -IOMMUCHECK_ENODEV;
  Domain* domain = domains_.find(handle);
  if (domain == nullptr || domain->zombie) return -IOMMUCHECK_EINVAL;
  if (domain->is_dynamic()) return move_dynamic(*domain, device);
  if (!can_pass(device, *domain)) return -IOMMUCHECK_EOPNOTSUPP;
  bool any = false;
  for_each_member(device, [&](u32 i) {
    devices_[i].moving = devices_[i].domain != handle;
    devices_[i].from = devices_[i].domain;
    any |= devices_[i].moving;
  });
  if (!any) return 0;
  if (sva_.bound(device) || would_silence(device, *domain)) return -IOMMUCHECK_EBUSY;
  if (would_lose_pasids(device, *domain)) return -IOMMUCHECK_EBUSY;
  if (int error = ensure_settled()) return error;

  // Leaving implies a sync, for those who stay as well; now, while failing changes nothing.
  int error = 0;
  for_each_moving(device, [&](u32 i) {
    if (error == 0) error = rejoin(i);
  });
  for_each_moving(device, [&](u32 i) {
    Domain* before = domains_.find(devices_[i].from);
    Space* left = before != nullptr ? before->reached() : nullptr;
    if (left != nullptr && error == 0) error = complete(*left);
  });
  if (error == 0) error = open_next_tables(device, *domain);
  if (error == 0) error = move_devices(device, *domain);
  if (error != 0) return error;
  for_each_moving(device, [&](u32 i) { count_device(*domain, i); });
  // They have moved. If only an old tag cannot be emptied now, that domain stays `cached`, and its
  // own next call tells.
  for_each_moving(device, [&](u32 i) {
    const Holder before = holder_before(i);
    close_next_table(i);
    if (Domain* left = domains_.find(devices_[i].from)) leave(*left, i, before);
  });
  return 0;
}

/// All of the group that are there: from `domain` to blocked. ETIMEDOUT: they are off for the
/// caller, and what they may still reach is in quarantine.
int Core::take_off(Domain& domain, u32 device) {
  const iommucheck_handle handle = domains_.handle(domain);
  bool changed = false;
  for_each_member(device, [&](u32 i) { devices_[i].moving = devices_[i].domain == handle; });
  users_part(device, nullptr);
  for_each_moving(device, [&](u32 i) {
    const bool its = set_route(i, {});
    devices_[i].domain = 0;
    if (its) backend_.forget_route(i, false);
    changed |= its;
  });
  int error = 0;
  // Where a move timed out, its route may be cached though memory never says so again.
  if (changed || owed_) {
    error = commit();
    if (error == 0) {
      for_each_moving(device, [&](u32 i) {
        const bool cached = domain.reached() != nullptr || devices_[i].table != nullptr;
        if (cached) drop_all_of_device(i, holder_of(i, handle));
      });
      error = commit();
    }
  }
  if (error == 0) {
    users_have_parted(device);
    for_each_moving(device, [&](u32 i) {
      const Holder holder = holder_of(i, handle);
      close_own_table(i);
      const int late = leave(domain, i, holder);
      if (error == 0) error = late;
    });
    return error;
  }
  for_each_moving(device, [&](u32 i) {
    uncount_device(domain, i);
    keep_table(devices_[i].table);
  });
  if (Space* space = domain.reached()) quarantine(*space);
  sva_.update_waits(Holder{.domain = handle});
  if (domain.devices == 0) sva_.domain_left(handle);
  return error;
}

int Core::detach(iommucheck_handle handle, u32 device) {
  if (!device_present(device)) return -IOMMUCHECK_ENODEV;
  const Domain* its = domains_.find(handle);
  if (its != nullptr && its->is_dynamic()) return move_dynamic(*its, device);
  if (its == nullptr || devices_[device].domain != handle) return -IOMMUCHECK_EINVAL;
  const int error = sva_.unbind_dev_all(device);
  if (error != 0 && error != -IOMMUCHECK_ETIMEDOUT) return error;
  // Handlers may have been waited for, while other calls came.
  Domain* domain = domains_.find(handle);
  if (domain == nullptr || !device_present(device) || devices_[device].domain != handle) {
    return error;
  }
  int late = end_attachments(device, every_pasid);
  domain = domains_.find(handle);
  if (domain != nullptr && devices_[device].domain == handle) {
    const int off = take_off(*domain, device);
    if (late == 0) late = off;
  }
  return error != 0 ? error : late;
}

}  // namespace iommucheck::impl
