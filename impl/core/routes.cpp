// SPDX-License-Identifier: MIT
#include "impl/core/routes.h"

#include "impl/core/batch.h"
#include "impl/core/devices.h"
#include "impl/core/domains.h"

namespace iommucheck::impl {

Route Routes::route_of(u32 device) const {
  const Device& its = devices_[device];
  return domains_.route_to(domains_.find(its.domain), its.table, device);
}

/// Leads the device to where its domain and its table say, completely. 0, ETIMEDOUT.
int Routes::switch_route(u32 device) {
  const Route route = route_of(device);
  while (batch_.prepare_route(device, route)) {
    backend_.forget_route(device, false);
    if (int error = batch_.commit()) return error;
  }
  if (!batch_.set_route(device, route)) return 0;
  backend_.forget_route(device, false);
  return batch_.commit();
}

int Routes::rejoin(u32 device) {
  if (!devices_[device].isolated) return 0;
  if (!batch_.answers_again(device)) return -IOMMUCHECK_ETIMEDOUT;
  const int error = switch_route(device);
  if (error == 0) return 0;
  // Blocked as before: recovery has it rejoin.
  devices_[device].isolated = true;
  batch_.set_route(device, {});
  platform_.barrier();
  return error;
}

bool Routes::restore_route(u32 device) {
  const Device& its = devices_[device];
  const bool blocked = its.isolated || leaving_;
  const Route route = blocked ? Route{} : route_of(device);
  for (;;) {
    switch (backend_.prepare_route(device, route)) {
      case Prepared::timed_out: return false;
      case Prepared::ready: return backend_.set_route(device, route) != Stored::timed_out;
      case Prepared::again: break;
    }
    backend_.forget_route(device, false);
    if (!has_acted(backend_.flush())) return false;
  }
}

int Routes::block_caching_devices() {
  bool any = false;
  for (u32 i = 0; i < devices_.count(); ++i) {
    if (!devices_.present(i) || !backend_.has_cache(i)) continue;
    any = true;
    if (batch_.set_route(i, {})) backend_.forget_route(i, false);
  }
  if (!any || !backend_.translates()) return 0;
  if (int error = batch_.commit()) return error;
  return batch_.drop_device_caches();
}

}  // namespace iommucheck::impl
