// SPDX-License-Identifier: MIT
// Who is on which domain, and how one is led there.
#include "impl/core/domains.h"

namespace iommucheck::impl {

iommucheck_handle Domains::paging_domain(u32 device) const {
  const Domain* domain = domains_.find(devices_[device].domain);
  return domain != nullptr && domain->is_paging() ? devices_[device].domain : 0;
}

Entry Domains::entry_of(const Space& space) { return {.space = &space, .tag = space.tag}; }

Route Domains::route_to(const Domain* domain, const Table* own, u32 device) const {
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
  return {.kind = Route::Kind::table,
          .table = table,
          .pasid_bits = devices_.pasid_bits(device),
          .first = rid};
}

void Domains::count_cached(Domain& domain, u32 device, u32 by) {
  if (!backend_.has_cache(device)) return;
  domain.caching_devices += by;
  if (domain.parent != nullptr) domain.parent->caching_devices += by;
}

void Domains::count_device(Domain& domain, u32 device) {
  ++domain.devices;
  if (domain.parent != nullptr) ++domain.parent->user_devices;
  count_cached(domain, device, 1);
}

void Domains::uncount_device(Domain& domain, u32 device) {
  --domain.devices;
  if (domain.parent != nullptr) --domain.parent->user_devices;
  count_cached(domain, device, ~u32{0});
}

void Domains::may_be_cached(Domain& domain) {
  Space* space = domain.reached();
  if (space == nullptr) return;
  space->cached = true;
  if (domain.is_nested()) space->combined = true;
}

void Domains::count_attachment(Domain& domain, u32 device) {
  ++domain.attachments;
  if (domain.parent != nullptr) ++domain.parent->user_devices;
  count_cached(domain, device, 1);
  may_be_cached(domain);
}

const char* Domains::inconsistency(Attachments& attachments) {
  const char* wrong = nullptr;
  const auto expect = [&](bool holds, const char* what) {
    if (!holds && wrong == nullptr) wrong = what;
  };
  domains_.for_each_used([&](const Domain& domain) {
    const iommucheck_handle its = domains_.handle(domain);
    u32 on_it = 0, users = 0, caching = 0, at_pasids = 0, nested = 0;
    for (u32 i = 0; i < devices_.count(); ++i) {
      if (devices_[i].domain == 0) continue;
      const Domain* on = domains_.find(devices_[i].domain);
      if (on == nullptr) continue;  // told below
      const bool here = devices_[i].domain == its;
      const bool users_here = on->parent == &domain;
      on_it += here ? 1 : 0;
      users += users_here ? 1 : 0;
      caching += (here || users_here) && backend_.has_cache(i) ? 1 : 0;
    }
    attachments.for_each_used([&](const Attachment& at) {
      if (at.domain != its) return;
      ++at_pasids;
      caching += backend_.has_cache(at.device) ? 1 : 0;
    });
    attachments.for_each_used([&](const Attachment& at) {
      const Domain* of = domains_.find(at.domain);
      if (of == nullptr || of->parent != &domain) return;
      ++users;
      caching += backend_.has_cache(at.device) ? 1 : 0;
    });
    domains_.for_each_used([&](const Domain& other) { nested += other.parent == &domain ? 1 : 0; });
    expect(domain.devices == on_it, "Domain::devices");
    expect(domain.user_devices == users, "Domain::user_devices");
    expect(domain.caching_devices == caching, "Domain::caching_devices");
    expect(domain.attachments == at_pasids, "Domain::attachments");
    expect(domain.nested == nested, "Domain::nested");
    expect(!domain.zombie || !domain.has_devices(), "Domain::zombie has devices");
  });
  for (u32 i = 0; i < devices_.count(); ++i) {
    const iommucheck_handle on = devices_[i].domain;
    expect(on == 0 || domains_.find(on) != nullptr, "Device::domain is gone");
  }
  return wrong;
}

}  // namespace iommucheck::impl
