// SPDX-License-Identifier: MIT
#include "impl/core/attach_pasid.h"

#include <utility>

#include "impl/core/batch.h"
#include "impl/core/bind.h"
#include "impl/core/devices.h"
#include "impl/core/domains.h"
#include "impl/core/entries.h"
#include "impl/core/faults.h"
#include "impl/core/owed.h"
#include "impl/core/own_tables.h"
#include "impl/core/pasids.h"
#include "impl/core/routes.h"
#include "impl/core/unbind.h"

namespace iommucheck::impl {

/// 0 or ETIMEDOUT: nothing of the domain is reached there any more, as far as is known.
int AttachPasid::uncount_attachment(iommucheck_handle handle, u32 device, u32 pasid) {
  Domain& domain = *domains_.find(handle);
  --domain.attachments;
  if (domain.parent != nullptr) --domain.parent->user_devices;
  const int error = debts_.empty_if_left(domain, device, pasid);
  domains_.count_cached(domain, device, ~u32{0});
  return error;
}

bool AttachPasid::is_users(iommucheck_handle domain) {
  const Domain* its = domains_.find(domain);
  return its != nullptr && its->is_nested();
}

/// On an error everything is as before, as far as is known. ENOMEM, ETIMEDOUT.
int AttachPasid::attach_by_new_table(Attachment& attachment, iommucheck_handle to) {
  const u32 device = attachment.device;
  const iommucheck_handle before = std::exchange(attachment.domain, to);
  const Holder shared = domains_.holder_of(device);
  const bool shares = devices_[device].table == nullptr;
  Domain& domain = *domains_.find(to);
  Device& its = devices_[device];
  its.next_table = tables_.open_own_table(device, *domains_.find(its.domain));
  std::swap(its.table, its.next_table);
  const bool place =
      its.table != nullptr && (!shares || binding_.copy_uses(device, shared, *its.table));
  if (!place) {
    tables_.close_unused(its.table);
    its.table = std::exchange(its.next_table, nullptr);
    attachment.domain = before;
    return tables_.none_made();
  }
  Domains::may_be_cached(domain);
  // What it has met so far is told; what it meets from now on may be of either, and is told to
  // neither.
  const bool users = is_users(before) || is_users(to);
  if (users) {
    attachment.domain = before;
    faults_.read_all();
    attachment.domain = to;
    attachment.between_users = true;
  }
  platform_.barrier();
  int error = routes_.switch_route(device);
  if (error == 0 && backend_.has_cache(device)) {
    if (shares) debts_.drop_all_of_device(device, shared);
    batch_.drop_device(device, attachment.pasid);
    error = batch_.commit();
  }
  // Nobody answers any more what waits where nothing is reached.
  if (error == 0 && !domains_.has_entry(domain) && backend_.can_wait(device)) {
    faults_.end_device_faults(device, attachment.pasid);
    error = batch_.ensure_settled();
  }
  if (error != 0) {
    std::swap(its.table, its.next_table);
    batch_.set_route(device, routes_.route_of(device));
    platform_.barrier();
    if (shares) binding_.forget_copies(device);
    tables_.keep_table(its.next_table);
    attachment.domain = before;
    return error;
  }
  if (users) faults_.read_all();
  attachment.between_users = false;
  tables_.close_next_table(device);
  domains_.count_attachment(domain, device);
  // If only an old tag cannot be emptied now, that domain stays `cached`, and its next call tells.
  if (before != 0) uncount_attachment(before, device, attachment.pasid);
  return shares ? unbinding_.left_shared(device, shared) : 0;
}

/// Where nothing stands yet.
int AttachPasid::attach_by_entry(Attachment& attachment, Domain& domain) {
  const Holder holder = {.device = attachment.device};
  int error = entries_.reserve(holder, attachment.pasid);
  attachment.domain = domains_.handle(domain);
  if (error == 0) Domains::may_be_cached(domain);
  if (error == 0 && domains_.has_entry(domain))
    error = entries_.enter(holder, attachment.pasid, Domains::entry_of(domain));
  if (error == 0) {
    domains_.count_attachment(domain, attachment.device);
  } else {
    attachment.domain = 0;
  }
  return error;
}

int AttachPasid::check_attach_pasid(const Domain* domain, u32 device, u32 pasid) {
  if (!devices_.present(device)) return -IOMMUCHECK_ENODEV;
  if (domain == nullptr || domain->zombie || domain->is_dynamic()) return -IOMMUCHECK_EINVAL;
  if (domains_.is_of_another_iommu(*domain, device)) return -IOMMUCHECK_EINVAL;
  if (domain->kind == IOMMUCHECK_DOMAIN_IDENTITY &&
      !backend_.can_route(Route::Kind::bypass, device, true)) {
    return -IOMMUCHECK_EOPNOTSUPP;
  }
  if (domains_.takes_pasids(*domain)) return -IOMMUCHECK_EOPNOTSUPP;
  const Domain* rid = domains_.find(devices_[device].domain);
  if (rid == nullptr) return -IOMMUCHECK_EINVAL;
  if (domains_.takes_pasids(*rid))
    return rid->is_nested() ? -IOMMUCHECK_EBUSY : -IOMMUCHECK_EOPNOTSUPP;
  // Without PASIDs 0 is none either.
  const unsigned bits = devices_.pasid_bits(device);
  if (pasid < backend_.first_pasid() || bits == 0 || (u64{pasid} >> bits) != 0)
    return -IOMMUCHECK_EINVAL;
  return pasids_.check_plain(pasid);
}

int AttachPasid::attach_pasid(iommucheck_handle handle, u32 device, u32 pasid) {
  if (int error = check_attach_pasid(domains_.find(handle), device, pasid)) return error;
  Attachment* at = attachments_.find_attachment(device, pasid);
  if (at != nullptr && at->domain == handle) return 0;
  if (int error = batch_.ensure_settled()) return error;
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
  if (error == 0) domains_.is_of_iommu_of(*domains_.find(handle), device);
  at = attachments_.find(its);
  if (error == 0 || replaces || at == nullptr) return error;
  if (at->domain != 0) {
    // It stands there, and what shared a table with it could not be told: the caller has not got
    // it.
    end_attachments(device, pasid);
  } else if (error == -IOMMUCHECK_ETIMEDOUT && batch_.owed()) {
    at->dead = true;
  } else {
    attachments_.release(*at);
  }
  return error;
}

int AttachPasid::end_attachments(u32 device, u32 pasid) {
  const auto for_each = [&](bool dead, auto visit) {
    attachments_.for_each_used([&](Attachment& at) {
      const bool wanted = pasid == every_pasid || at.pasid == pasid;
      if (at.device == device && wanted && at.dead == dead) visit(at);
    });
  };
  bool users = false;
  for_each(false, [&](const Attachment& at) { users |= is_users(at.domain); });
  if (users) faults_.read_all();
  bool any = false;
  for_each(false, [&](Attachment& at) {
    any = true;
    at.dead = true;
    if (domains_.has_entry(*domains_.find(at.domain)))
      entries_.clear(Holder{.device = device}, at.pasid);
  });
  if (!any) return 0;
  int error = batch_.commit();
  const bool caches = backend_.has_cache(device) && !devices_[device].gone;
  if (error == 0 && caches) {
    for_each(true, [&](const Attachment& at) { batch_.drop_device(device, at.pasid); });
    error = batch_.commit();
  }
  if (error == 0 && backend_.can_wait(device)) {
    for_each(true, [&](const Attachment& at) { faults_.end_device_faults(device, at.pasid); });
    error = batch_.ensure_settled();
  }
  for_each(true, [&](Attachment& at) {
    Domain* domain = domains_.find(at.domain);
    if (domain == nullptr) return;  // one of an earlier time-out
    at.domain = 0;
    if (Space* space = domain->reached(); error != 0 && space != nullptr) Debts::quarantine(*space);
    const int late = uncount_attachment(domains_.handle(*domain), device, at.pasid);
    if (error == 0) error = late;
  });
  if (error == 0) attachments_.attachments_recovered();
  return error;
}

int AttachPasid::detach_pasid(iommucheck_handle handle, u32 device, u32 pasid) {
  if (!devices_.present(device)) return -IOMMUCHECK_ENODEV;
  const Attachment* at =
      pasid == every_pasid ? nullptr : attachments_.find_attachment(device, pasid);
  if (at == nullptr || at->domain != handle) return -IOMMUCHECK_EINVAL;
  return end_attachments(device, pasid);
}

/// INTERFACE "PASID numbers". One that a device may still reach a domain by waits for that.
int AttachPasid::pasid_free(u32 pasid) {
  if (pasids_.check_plain(pasid) != 0) return -IOMMUCHECK_EINVAL;
  bool attached = false;
  bool dead = false;
  attachments_.for_each_used([&](const Attachment& at) {
    if (at.pasid == pasid) (at.dead ? dead : attached) = true;
  });
  if (attached) return -IOMMUCHECK_EBUSY;
  if (dead) {
    if (int error = batch_.ensure_settled()) return error;
  }
  return pasids_.free_plain(pasid);
}

}  // namespace iommucheck::impl
