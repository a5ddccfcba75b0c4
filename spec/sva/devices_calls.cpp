// SPDX-License-Identifier: MIT
#include "spec/sva/devices_calls.h"

#include "spec/sva/bond_ends.h"
#include "spec/sva/devices.h"
#include "spec/sva/fault_groups.h"
#include "spec/sva/unbind.h"

namespace iommucheck::spec::sva {

/// INTERFACE "sva_device_init".
Permitted permitted_init(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  judge_device(s, call, set);
  if ((call.features & ~(feature_iopf | feature_private)) != 0) {
    set.add(Reason::an_unknown_feature);
  }
  if (call.max_pasid != 0 && call.min_pasid > call.max_pasid) {
    set.add(Reason::min_is_beyond_max);
  }
  if (call.min_pasid >= pasid_limit) set.add(Reason::pasids_have_20_bits);
  if (!s.device_has_iommu(call.device)) return set;
  const Constants& constants = s.constants[call.device];
  const Device& device = s.devices[call.device];
  if ((call.features & feature_iopf) != 0 && !constants.can_wait) {
    set.add(Reason::the_devices_accesses_cannot_wait);
  }
  if (device.initialised != 0) set.add(Reason::it_was_initialised_already);
  if (device.domain == 0) set.add(Reason::the_device_has_no_domain);
  if (constants.ssid_bits == 0) set.add(Reason::no_pasids);
  if (constants.grouped) {
    set.add(Reason::group_without_pasids);
    set.add(Reason::no_pasids);
  }
  const bool has_range = constants.ssid_bits != 0 &&
                         !device_range(s, call.device, call.min_pasid, call.max_pasid).empty();
  if (constants.ssid_bits != 0 && !has_range) {
    set.add(Reason::no_number_is_in_all_the_ranges);
  }
  const bool may_do_it = set.empty();
  // Reasons that a driver may have, beside another one too.
  if (call.max_pasid >= pasid_limit) set.add(Reason::pasids_have_20_bits);
  if (device.domain != 0 && s.spaces[device.domain].kind != static_cast<u32>(DomainKind::paging)) {
    set.add(Reason::the_devices_domain_is_not_a_paging_one);
  }
  if (s.limits_are_the_drivers) {
    set.add(Reason::no_pasids);
    set.add(Reason::no_number_is_in_all_the_ranges);
  }
  if (!may_do_it) return set;
  set.add(Reason::done);
  may_lack_memory(set, around);
  may_time_out(set, around);
  return set;
}

void apply_init(InterfaceState& s, const Call& call, Status status) {
  if (status != Status::ok) return;
  const Range range = device_range(s, call.device, call.min_pasid, call.max_pasid);
  Device& device = s.devices.edit(s.trail, call.device);
  device.initialised = 1;
  device.features = call.features;
  device.first_pasid = range.first;
  device.last_pasid = range.last;
  device.has_mm_exit = call.has_mm_exit ? 1 : 0;
  if ((call.features & feature_iopf) != 0) enable_requests(s, call.device);
}

// --- shutdown ---

Permitted permitted_shutdown(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  judge_device(s, call, set);
  if (!set.empty()) return set;
  if (!s.has_sva(call.device)) {
    set.add(Reason::without_sva_device_init);
    return set;
  }
  return permitted_unbind_all(s, call, around);
}

void begin_shutdown(const InterfaceState& s, const Call& call, Pending& pending) {
  if (!permitted_shutdown(s, call, {}).has(Status::ok)) pending.device = DeviceSetup::alone;
}

void apply_shutdown(InterfaceState& s, const Call& call, Status status) {
  if (!ended(status)) return;
  end_all_of(s, call.device, Gone::by_another, status == Status::etimedout);
  s.devices.edit(s.trail, call.device).initialised = 0;
}

}  // namespace iommucheck::spec::sva
