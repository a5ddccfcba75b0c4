// SPDX-License-Identifier: MIT
#include "impl/core/moves.h"

#include <utility>

#include "impl/core/attach_pasid.h"
#include "impl/core/attachments.h"
#include "impl/core/batch.h"
#include "impl/core/bonds.h"
#include "impl/core/devices.h"
#include "impl/core/domains.h"
#include "impl/core/faults.h"
#include "impl/core/owed.h"
#include "impl/core/own_tables.h"
#include "impl/core/routes.h"
#include "impl/core/unbind.h"
#include "impl/core/waiting.h"

namespace iommucheck::impl {

/// Those that move, and come from a user's domain or go to one: what they have met so far is told.
/// What they meet from now on may be of either, and is told to neither.
void Moves::users_part(u32 device, const Domain* to) {
  bool any = to != nullptr && to->is_nested();
  devices_.for_each_moving(device, [&](u32 i) {
    const Domain* from = domains_.find(devices_[i].domain);
    any |= from != nullptr && from->is_nested();
  });
  if (!any) return;
  faults_.read_all();
  devices_.for_each_moving(device, [&](u32 i) { devices_[i].between_users = true; });
}

/// The IOMMU knows where they are.
void Moves::users_have_parted(u32 device) {
  bool any = false;
  devices_.for_each_moving(device, [&](u32 i) { any |= devices_[i].between_users; });
  if (!any) return;
  faults_.read_all();
  devices_.for_each_moving(device, [&](u32 i) { devices_[i].between_users = false; });
}

/// A device has left `domain`, where it met that table, for the IOMMU too.
int Moves::leave(Domain& domain, u32 device, const Holder& holder) {
  const iommucheck_handle handle = domains_.handle(domain);
  domains_.uncount_device(domain, device);
  if (!domain.is_paging()) return debts_.empty_if_left(domain, device, no_pasid);
  unbinding_.end_faults(holder, device);
  if (!holder.is_own()) waiting_.update_waits(holder);
  const int error = domain.devices != 0 ? batch_.commit() : unbinding_.domain_left(handle);
  const int late = debts_.empty_if_left(domain, device, no_pasid);
  return error != 0 ? error : late;
}

/// Whether a device on the domain, without a table of its own, may have cached something there.
bool Moves::is_cached(const Domain& domain) const {
  const bool passes = domain.kind == IOMMUCHECK_DOMAIN_IDENTITY;
  return domain.reached() != nullptr || (passes && backend_.devices_cache_untranslated());
}

/// Switches the routes of all that move to `domain`. On an error they are what they were.
int Moves::move_devices(u32 device, Domain& domain) {
  users_part(device, &domain);
  const iommucheck_handle to = domains_.handle(domain);
  Space* reached = domain.reached();
  const auto swap_tables = [&](u32 i) { std::swap(devices_[i].table, devices_[i].next_table); };
  devices_.for_each_moving(device, [&](u32 i) {
    devices_[i].domain = to;
    swap_tables(i);
  });
  waiting_.update_waits(Holder{.domain = to});
  // Table stores of the new domain come first, whatever has been ordered since.
  platform_.barrier();
  const auto route = [&](u32 i) { return domains_.route_to(&domain, devices_[i].table, i); };
  int error = 0;
  for (bool prepared = true; prepared && error == 0;) {
    prepared = false;
    devices_.for_each_moving(device, [&](u32 i) {
      if (!batch_.prepare_route(i, route(i))) return;
      // It may be what leads there already.
      if (reached != nullptr) reached->cached = true;
      backend_.forget_route(i, false);
      prepared = true;
    });
    if (prepared) error = batch_.commit();
  }
  if (error == 0) {
    devices_.for_each_moving(device, [&](u32 i) {
      devices_[i].had_user |= domain.is_nested() && !domains_.users_by_entries();
      if (!batch_.set_route(i, route(i))) return;
      Domains::may_be_cached(domain);
      backend_.forget_route(i, false);
    });
    error = batch_.commit();
  }
  if (error == 0) {
    devices_.for_each_moving(device, [&](u32 i) {
      const Domain* before = domains_.find(devices_[i].from);
      const bool cached =
          devices_[i].next_table != nullptr || (before != nullptr && is_cached(*before));
      if (!cached) return;
      debts_.drop_all_of_device(i, devices_.holder_before(i));
      // Those who stay may wait for answers now, or no longer: while failing still changes nothing.
      waiting_.update_waits(Holder{.domain = devices_[i].from});
    });
    error = batch_.commit();
  }
  if (error == 0) {
    users_have_parted(device);
    Domains::may_be_cached(domain);
    return 0;
  }
  // Nothing is known: back to what was, and all domains stay cached until recovery.
  devices_.for_each_moving(device, [&](u32 i) {
    swap_tables(i);
    batch_.set_route(i, domains_.route_to(domains_.find(devices_[i].from), devices_[i].table, i));
  });
  platform_.barrier();
  devices_.for_each_moving(device, [&](u32 i) {
    devices_[i].domain = devices_[i].from;
    tables_.keep_table(devices_[i].next_table);
  });
  waiting_.update_waits(Holder{.domain = to});
  devices_.for_each_moving(
      device, [&](u32 i) { waiting_.update_waits(Holder{.domain = devices_[i].from}); });
  return error;
}

/// Whether faults that somebody reads would not wait if those that move shared the domain's table:
/// those of others there, or their own. INTERFACE "Faults".
bool Moves::would_silence(u32 device, const Domain& domain) {
  if (!domain.is_paging() || backend_.devices_wait_alone()) return false;
  const Holder holder = {.domain = domains_.handle(domain)};
  bool would = false;
  devices_.for_each_moving(device, [&](u32 i) {
    if (tables_.wants_table(i, domain) || devices_.pasid_bits(i) == 0) return;
    would |= backend_.can_wait(i) ? faults_.has_queue(i) && !devices_.may_wait(holder)
                                  : waiting_.reads_faults(holder);
  });
  return would;
}

/// Where an outer space is there are no PASIDs, and domains stand at some.
bool Moves::would_lose_pasids(u32 device, const Domain& domain) {
  bool would = false;
  devices_.for_each_moving(device, [&](u32 i) {
    would |= domains_.takes_pasids(domain) && attachments_.has_attachments(i);
  });
  return would;
}

/// Whether all of the group can be led there by their routes.
bool Moves::can_pass(u32 device, const Domain& domain) const {
  bool all = true;
  devices_.for_each_member(device, [&](u32 i) {
    all &= domain.kind != IOMMUCHECK_DOMAIN_IDENTITY ||
           backend_.can_route(Route::Kind::bypass, i, false);
  });
  return all;
}

/// Accepted, without effect, attach and detach: who walks a dynamic domain's table goes there
/// without the IOMMU.
int Moves::move_dynamic(const Domain& domain, u32 device) const {
  return devices_[device].domain == domain.master ? 0 : -IOMMUCHECK_EINVAL;
}

int Moves::attach(iommucheck_handle handle, u32 device) {
  if (!devices_.present(device)) return -IOMMUCHECK_ENODEV;
  Domain* domain = domains_.find(handle);
  if (domain == nullptr || domain->zombie) return -IOMMUCHECK_EINVAL;
  if (domain->is_dynamic()) return move_dynamic(*domain, device);
  if (domains_.is_of_another_iommu(*domain, device)) return -IOMMUCHECK_EINVAL;
  if (!can_pass(device, *domain)) return -IOMMUCHECK_EOPNOTSUPP;
  bool any = false;
  devices_.for_each_member(device, [&](u32 i) {
    devices_[i].moving = devices_[i].domain != handle;
    devices_[i].from = devices_[i].domain;
    any |= devices_[i].moving;
  });
  if (!any) return 0;
  if (bonds_.bound(device) || would_silence(device, *domain)) return -IOMMUCHECK_EBUSY;
  if (would_lose_pasids(device, *domain)) return -IOMMUCHECK_EBUSY;
  if (int error = batch_.ensure_settled()) return error;

  // Leaving implies a sync, for those who stay as well; now, while failing changes nothing.
  int error = 0;
  devices_.for_each_moving(device, [&](u32 i) {
    if (error == 0) error = routes_.rejoin(i);
  });
  devices_.for_each_moving(device, [&](u32 i) {
    Domain* before = domains_.find(devices_[i].from);
    Space* left = before != nullptr ? before->reached() : nullptr;
    if (left != nullptr && error == 0) error = debts_.complete(*left);
  });
  if (error == 0) error = tables_.open_next_tables(device, *domain);
  if (error == 0) error = move_devices(device, *domain);
  if (error != 0) return error;
  domains_.is_of_iommu_of(*domain, device);
  devices_.for_each_moving(device, [&](u32 i) { domains_.count_device(*domain, i); });
  // They have moved. If only an old tag cannot be emptied now, that domain stays `cached`, and its
  // own next call tells.
  devices_.for_each_moving(device, [&](u32 i) {
    const Holder before = devices_.holder_before(i);
    tables_.close_next_table(i);
    if (Domain* left = domains_.find(devices_[i].from)) leave(*left, i, before);
  });
  return 0;
}

int Moves::take_off(Domain& domain, u32 device) {
  const iommucheck_handle handle = domains_.handle(domain);
  bool changed = false;
  devices_.for_each_member(device,
                           [&](u32 i) { devices_[i].moving = devices_[i].domain == handle; });
  users_part(device, nullptr);
  devices_.for_each_moving(device, [&](u32 i) {
    const bool its = batch_.set_route(i, {});
    devices_[i].domain = 0;
    if (its) backend_.forget_route(i, false);
    changed |= its;
  });
  int error = 0;
  // Where a move timed out, its route may be cached though memory never says so again.
  if (changed || batch_.owed()) {
    error = batch_.commit();
    if (error == 0) {
      devices_.for_each_moving(device, [&](u32 i) {
        const bool cached = is_cached(domain) || devices_[i].table != nullptr;
        if (cached) debts_.drop_all_of_device(i, devices_.holder_of(i, handle));
      });
      error = batch_.commit();
    }
  }
  if (error == 0) {
    users_have_parted(device);
    devices_.for_each_moving(device, [&](u32 i) {
      const Holder holder = devices_.holder_of(i, handle);
      tables_.close_own_table(i);
      const int late = leave(domain, i, holder);
      if (error == 0) error = late;
    });
    return error;
  }
  devices_.for_each_moving(device, [&](u32 i) {
    domains_.uncount_device(domain, i);
    tables_.keep_table(devices_[i].table);
  });
  if (Space* space = domain.reached()) Debts::quarantine(*space);
  waiting_.update_waits(Holder{.domain = handle});
  if (domain.devices == 0) unbinding_.domain_left(handle);
  return error;
}

int Moves::detach(iommucheck_handle handle, u32 device) {
  if (!devices_.present(device)) return -IOMMUCHECK_ENODEV;
  const Domain* its = domains_.find(handle);
  if (its != nullptr && its->is_dynamic()) return move_dynamic(*its, device);
  if (its == nullptr || devices_[device].domain != handle) return -IOMMUCHECK_EINVAL;
  const int error = unbinding_.unbind_dev_all(device);
  if (error != 0 && error != -IOMMUCHECK_ETIMEDOUT) return error;
  // Handlers may have been waited for, while other calls came.
  Domain* domain = domains_.find(handle);
  if (domain == nullptr || !devices_.present(device) || devices_[device].domain != handle) {
    return error;
  }
  int late = attach_pasid_.end_attachments(device, AttachPasid::every_pasid);
  domain = domains_.find(handle);
  if (domain != nullptr && devices_[device].domain == handle) {
    const int off = take_off(*domain, device);
    if (late == 0) late = off;
  }
  return error != 0 ? error : late;
}

}  // namespace iommucheck::impl
