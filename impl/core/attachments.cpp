// SPDX-License-Identifier: MIT
// attach_pasid, detach_pasid: a PASID of a device leads to a domain. INTERFACE "Attach".
//
// The device has a table of its own for it. Where an entry comes to a place that is empty it is
// entered there; what replaces another one, and the first attachment of a device that shared its
// domain's table, comes with a whole new table, complete before one store leads to it: so that
// nothing else that the device reaches is disturbed, and a time-out can be taken back.
#include <utility>

#include "impl/core/core.h"

namespace iommucheck::impl {

Attachment* Core::find_attachment(u32 device, u32 pasid) {
  return attachments_.find_if(
      [&](const Attachment& at) { return at.device == device && at.pasid == pasid && !at.dead; });
}

bool Core::has_attachments(u32 device) {
  return attachments_.find_if(
             [&](const Attachment& at) { return at.device == device && !at.dead; }) != nullptr;
}

// ---- tables that nothing leads to yet ----

/// False: no memory.
bool Core::grow_unused(Table& table) {
  const Backend::Growth growth = backend_.grow(table);
  if (growth == Backend::Growth::moved) backend_.grown(table);
  return growth != Backend::Growth::no_memory;
}

bool Core::copy_entry(Table& table, u32 pasid, const Entry& entry) {
  if (!grow_unused(table)) return false;
  if (backend_.make_place(table, pasid) == Backend::Place::no_memory) return false;
  for (auto prepared = Prepared::again; prepared != Prepared::ready;) {
    prepared = backend_.prepare_entry(table, pasid, entry);
    owed_ |= prepared == Prepared::timed_out;
    if (owed_) return false;
  }
  return is_there(backend_.store_entry(table, pasid, entry));
}

/// In a table that nothing leads to; that the time was up is owed, and nothing else.
bool Core::is_there(Stored stored) {
  owed_ |= stored == Stored::timed_out;
  return stored != Stored::timed_out;
}

/// For a device on `domain`, with all that its own table holds now. Null: none_made() says why.
Table* Core::open_own_table(u32 device, const Domain& domain) {
  Table* table = backend_.open_table();
  if (table == nullptr) return nullptr;
  const Entry first = entry_of(domain);
  bool all = is_there(backend_.set_first_entry(*table, has_first_entry(domain) ? &first : nullptr));
  attachments_.for_each_used([&](const Attachment& at) {
    if (at.device != device || at.dead || !all) return;
    const Domain& its = *domains_.find(at.domain);
    if (has_entry(its)) all = copy_entry(*table, at.pasid, entry_of(its));
  });
  sva_.for_each_entry(Holder{.device = device}, [&](u32 pasid, const Entry& entry) {
    if (all) all = copy_entry(*table, pasid, entry);
  });
  // Also where all of them are blocked: with one entry alone nothing would tell the RID from a
  // PASID.
  if (all && has_attachments(device)) all = grow_unused(*table);
  if (all) return table;
  close_unused(table);
  return nullptr;
}

// ---- attach_pasid ----

void Core::count_attachment(Domain& domain, u32 device) {
  ++domain.attachments;
  if (domain.parent != nullptr) ++domain.parent->user_devices;
  count_cached(domain, device, 1);
  may_be_cached(domain);
}

/// 0 or ETIMEDOUT: nothing of the domain is reached there any more, as far as is known.
int Core::uncount_attachment(iommucheck_handle handle, u32 device, u32 pasid) {
  Domain& domain = *domains_.find(handle);
  --domain.attachments;
  if (domain.parent != nullptr) --domain.parent->user_devices;
  const int error = empty_if_left(domain, device, pasid);
  count_cached(domain, device, ~u32{0});
  return error;
}

/// On an error everything is as before, as far as is known. ENOMEM, ETIMEDOUT.
int Core::attach_by_new_table(Attachment& attachment, iommucheck_handle to) {
  const u32 device = attachment.device;
  const iommucheck_handle before = std::exchange(attachment.domain, to);
  const Holder shared = holder_of(device);
  const bool shares = devices_[device].table == nullptr;
  Domain& domain = *domains_.find(to);
  Device& its = devices_[device];
  its.next_table = open_own_table(device, *domains_.find(its.domain));
  std::swap(its.table, its.next_table);
  const bool place =
      its.table != nullptr && (!shares || sva_.copy_uses(device, shared, *its.table));
  if (!place) {
    close_unused(its.table);
    its.table = std::exchange(its.next_table, nullptr);
    attachment.domain = before;
    return none_made();
  }
  may_be_cached(domain);
  platform_.barrier();
  int error = switch_route(device);
  if (error == 0 && backend_.has_cache(device)) {
    if (shares) drop_all_of_device(device, shared);
    drop_device(device, attachment.pasid);
    error = commit();
  }
  // Nobody answers any more what waits where nothing is reached.
  if (error == 0 && !has_entry(domain) && can_wait(device)) {
    end_device_faults(device, attachment.pasid);
    error = ensure_settled();
  }
  if (error != 0) {
    std::swap(its.table, its.next_table);
    set_route(device, route_to(domains_.find(its.domain), its.table, device));
    platform_.barrier();
    if (shares) sva_.forget_copies(device);
    keep_table(its.next_table);
    attachment.domain = before;
    return error;
  }
  close_next_table(device);
  count_attachment(domain, device);
  // If only an old tag cannot be emptied now, that domain stays `cached`, and its next call tells.
  if (before != 0) uncount_attachment(before, device, attachment.pasid);
  return shares ? sva_.left_shared(device, shared) : 0;
}

/// Where nothing stands yet.
int Core::attach_by_entry(Attachment& attachment, Domain& domain) {
  const Holder holder = {.device = attachment.device};
  int error = reserve(holder, attachment.pasid);
  attachment.domain = domains_.handle(domain);
  if (error == 0) may_be_cached(domain);
  if (error == 0 && has_entry(domain)) error = enter(holder, attachment.pasid, entry_of(domain));
  if (error == 0) {
    count_attachment(domain, attachment.device);
  } else {
    attachment.domain = 0;
  }
  return error;
}

int Core::check_attach_pasid(const Domain* domain, u32 device, u32 pasid) {
  if (!device_present(device)) return -IOMMUCHECK_ENODEV;
  if (domain == nullptr || domain->zombie || domain->is_dynamic()) return -IOMMUCHECK_EINVAL;
  if (domain->kind == IOMMUCHECK_DOMAIN_IDENTITY &&
      !backend_.can_route(Route::Kind::bypass, device, true)) {
    return -IOMMUCHECK_EOPNOTSUPP;
  }
  if (takes_pasids(*domain)) return -IOMMUCHECK_EOPNOTSUPP;
  const Domain* rid = domains_.find(devices_[device].domain);
  if (rid == nullptr) return -IOMMUCHECK_EINVAL;
  if (takes_pasids(*rid)) return rid->is_nested() ? -IOMMUCHECK_EBUSY : -IOMMUCHECK_EOPNOTSUPP;
  // Without PASIDs 0 is none either.
  const unsigned bits = pasid_bits(device);
  if (pasid < first_pasid() || bits == 0 || (u64{pasid} >> bits) != 0) return -IOMMUCHECK_EINVAL;
  return sva_.check_plain(pasid);
}

int Core::attach_pasid(iommucheck_handle handle, u32 device, u32 pasid) {
  if (int error = check_attach_pasid(domains_.find(handle), device, pasid)) return error;
  Attachment* at = find_attachment(device, pasid);
  if (at != nullptr && at->domain == handle) return 0;
  if (int error = ensure_settled()) return error;
  const bool replaces = at != nullptr;
  if (!replaces) {
    at = attachments_.allocate(platform_);
    if (at == nullptr) return -IOMMUCHECK_ENOMEM;
    at->device = device;
    at->pasid = pasid;
  }
  const iommucheck_handle its = attachments_.handle(*at);
  const bool by_table = replaces || devices_[device].table == nullptr;
  const int error =
      by_table ? attach_by_new_table(*at, handle) : attach_by_entry(*at, *domains_.find(handle));
  at = attachments_.find(its);
  if (error == 0 || replaces || at == nullptr) return error;
  if (at->domain != 0) {
    // It stands there, and what shared a table with it could not be told: the caller has not got
    // it.
    end_attachments(device, pasid);
  } else if (error == -IOMMUCHECK_ETIMEDOUT && owed_) {
    at->dead = true;
  } else {
    attachments_.release(*at);
  }
  return error;
}

// ---- the way back ----

/// Of one PASID, or of every one: entry, then what the device has cached, each complete before the
/// next, then what it still asks for there. ETIMEDOUT: they are dead until recovery.
int Core::end_attachments(u32 device, u32 pasid) {
  const auto for_each = [&](bool dead, auto visit) {
    attachments_.for_each_used([&](Attachment& at) {
      const bool wanted = pasid == every_pasid || at.pasid == pasid;
      if (at.device == device && wanted && at.dead == dead) visit(at);
    });
  };
  bool any = false;
  for_each(false, [&](Attachment& at) {
    any = true;
    at.dead = true;
    if (has_entry(*domains_.find(at.domain))) clear(Holder{.device = device}, at.pasid);
  });
  if (!any) return 0;
  int error = commit();
  const bool caches = backend_.has_cache(device) && !devices_[device].gone;
  if (error == 0 && caches) {
    for_each(true, [&](const Attachment& at) { drop_device(device, at.pasid); });
    error = commit();
  }
  if (error == 0 && can_wait(device)) {
    for_each(true, [&](const Attachment& at) { end_device_faults(device, at.pasid); });
    error = ensure_settled();
  }
  for_each(true, [&](Attachment& at) {
    Domain* domain = domains_.find(at.domain);
    if (domain == nullptr) return;  // one of an earlier time-out
    at.domain = 0;
    if (Space* space = domain->reached(); error != 0 && space != nullptr) quarantine(*space);
    const int late = uncount_attachment(domains_.handle(*domain), device, at.pasid);
    if (error == 0) error = late;
  });
  if (error == 0) attachments_recovered();
  return error;
}

int Core::detach_pasid(iommucheck_handle handle, u32 device, u32 pasid) {
  if (!device_present(device)) return -IOMMUCHECK_ENODEV;
  const Attachment* at = pasid == every_pasid ? nullptr : find_attachment(device, pasid);
  if (at == nullptr || at->domain != handle) return -IOMMUCHECK_EINVAL;
  return end_attachments(device, pasid);
}

/// Nothing is owed: nobody reaches what dead ones led to.
void Core::attachments_recovered() {
  attachments_.for_each_used([&](Attachment& at) {
    if (at.dead && at.domain == 0) attachments_.release(at);
  });
}

/// INTERFACE "PASID numbers". One that a device may still reach a domain by waits for that.
int Core::pasid_free(u32 pasid) {
  if (sva_.check_plain(pasid) != 0) return -IOMMUCHECK_EINVAL;
  bool attached = false;
  bool dead = false;
  attachments_.for_each_used([&](const Attachment& at) {
    if (at.pasid == pasid) (at.dead ? dead : attached) = true;
  });
  if (attached) return -IOMMUCHECK_EBUSY;
  if (dead) {
    if (int error = ensure_settled()) return error;
  }
  return sva_.pasid_free(pasid);
}

}  // namespace iommucheck::impl
