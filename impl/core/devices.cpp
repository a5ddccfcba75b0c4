// SPDX-License-Identifier: MIT
// Devices and groups. INTERFACE "Attach", groups; "Timeouts and removal".
#include <algorithm>

#include "impl/core/core.h"

namespace iommucheck::impl {

/// Devices that move together have no PASIDs (INTERFACE "Attach").
bool Core::alone(u32 device) const {
  const u32 group = config_->devices[device]->group;
  for (u32 i = 0; i < config_->device_count; ++i) {
    if (i != device && config_->devices[i]->group == group) return false;
  }
  return true;
}

/// Into the ring of the devices that move together.
void Core::join_group(u32 device) {
  devices_[device].next = device;
  for (u32 i = 0; i < config_->device_count; ++i) {
    const bool other = i != device && devices_[i].added;
    if (!other || config_->devices[i]->group != config_->devices[device]->group) continue;
    devices_[device].next = devices_[i].next;
    devices_[i].next = device;
    return;
  }
}

void Core::leave_group(u32 device) {
  u32 before = device;
  while (devices_[before].next != device) before = devices_[before].next;
  devices_[before].next = devices_[device].next;
  devices_[device].next = device;
}

int Core::device_add(u32 device) {
  if (device >= config_->device_count) return -IOMMUCHECK_EINVAL;
  if (devices_[device].added) return -IOMMUCHECK_EEXIST;
  const Backend::Added added = backend_.add_device(device);
  if (added.changed) {
    // After a failure too: what was made stays, blocked, and the next device may find it there.
    backend_.forget_route(device, true);
    if (int error = commit()) return error;
  }
  if (added.error != 0) return added.error;
  if (backend_.has_cache(device)) {
    // Whoever had the device before us may have left translations in it.
    drop_device(device, no_pasid);
    if (int error = commit()) return error;
  }
  const unsigned bits = alone(device) ? backend_.pasid_bits(device) : 0;
  devices_[device] = {
      .added = true, .isolated = devices_[device].isolated, .pasid_bits = static_cast<u8>(bits)};
  join_group(device);
  return 0;
}

/// Surprise removal: nobody is waited for, and the device itself is not spoken to any more. The
/// others of its group stay where they are.
int Core::device_remove(u32 device) {
  if (!device_present(device)) return -IOMMUCHECK_EINVAL;
  devices_[device].gone = true;
  leave_group(device);
  int error = sva_.device_gone(device);
  faults_.device_gone(device);
  drop_tasks_of(device);
  drop_virtual_devices(device);
  if (int late = end_attachments(device, every_pasid); error == 0) error = late;
  Domain* domain = domains_.find(devices_[device].domain);
  if (domain != nullptr) {
    const int late = take_off(*domain, device);
    if (error == 0) error = late;
  }
  devices_[device] = Device();
  return error;
}

int Core::device_init(u32 device, u32 features, u32 min, u32 max, bool has_mm_exit) {
  if (!device_present(device)) return -IOMMUCHECK_ENODEV;
  if (!alone(device)) return -IOMMUCHECK_EINVAL;
  return sva_.device_init(device, backend_.can_wait(device), features, min, max, has_mm_exit);
}

/// Of a domain: no kind is built whose faults are a user's.
int Core::fault_queue_open(u32 device, iommucheck_handle domain, u32 depth,
                           iommucheck_handle* queue) {
  if (device == ~u32{0} || domain != 0) return -IOMMUCHECK_EINVAL;
  if (!device_present(device)) return -IOMMUCHECK_ENODEV;
  return faults_.open(device, depth, queue);
}

/// Of faults or of events.
int Core::fault_queue_close(iommucheck_handle queue) {
  if (!UserEvents::is_one(queue)) return faults_.close(queue);
  Domain* parent = domains_.find(events_.close(queue));
  if (parent == nullptr) return -IOMMUCHECK_EINVAL;
  parent->events = 0;
  return 0;
}

int Core::fault_handler_set(u32 device, u32 pasid, bool present, u64 word) {
  if (!device_present(device)) return -IOMMUCHECK_ENODEV;
  return faults_.set_handler(device, pasid, present, word);
}

}  // namespace iommucheck::impl
