// SPDX-License-Identifier: MIT
// What the core counts, counted again.
#include "impl/core/core.h"

namespace iommucheck::impl {

const char* Core::inconsistency() {
  const char* wrong = nullptr;
  const auto expect = [&](bool holds, const char* what) {
    if (!holds && wrong == nullptr) wrong = what;
  };
  domains_.for_each_used([&](const Domain& domain) {
    const iommucheck_handle its = domains_.handle(domain);
    u32 devices = 0, users = 0, caching = 0, attachments = 0, nested = 0;
    for (u32 i = 0; i < config_->device_count; ++i) {
      if (devices_[i].domain == 0) continue;
      const Domain* on = domains_.find(devices_[i].domain);
      if (on == nullptr) continue;  // told below
      const bool here = devices_[i].domain == its;
      const bool users_here = on->parent == &domain;
      devices += here ? 1 : 0;
      users += users_here ? 1 : 0;
      caching += (here || users_here) && backend_.has_cache(i) ? 1 : 0;
    }
    attachments_.for_each_used([&](const Attachment& at) {
      if (at.domain != its) return;
      ++attachments;
      caching += backend_.has_cache(at.device) ? 1 : 0;
    });
    attachments_.for_each_used([&](const Attachment& at) {
      const Domain* of = domains_.find(at.domain);
      if (of == nullptr || of->parent != &domain) return;
      ++users;
      caching += backend_.has_cache(at.device) ? 1 : 0;
    });
    domains_.for_each_used([&](const Domain& other) { nested += other.parent == &domain ? 1 : 0; });
    expect(domain.devices == devices, "Domain::devices");
    expect(domain.user_devices == users, "Domain::user_devices");
    expect(domain.caching_devices == caching, "Domain::caching_devices");
    expect(domain.attachments == attachments, "Domain::attachments");
    expect(domain.nested == nested, "Domain::nested");
    expect(!domain.zombie || !domain.has_devices(), "Domain::zombie has devices");
  });
  for (u32 i = 0; i < config_->device_count; ++i) {
    const Device& device = devices_[i];
    expect(device.added || device.domain == 0, "Device::domain of one that is not there");
    expect(device.domain == 0 || domains_.find(device.domain) != nullptr, "Device::domain is gone");
    expect(device.next_table == nullptr, "Device::next_table between calls");
    if (!device.added || device.gone) continue;
    // Its ring is its group: devices that are there, and back to it.
    u32 steps = 0;
    for (u32 at = device.next; at != i && steps <= config_->device_count; at = devices_[at].next) {
      expect(devices_[at].added && config_->devices[at]->group == config_->devices[i]->group,
             "Device::next leads out of the group");
      ++steps;
    }
    expect(steps < config_->device_count, "Device::next is no ring");
  }
  return wrong;
}

}  // namespace iommucheck::impl
