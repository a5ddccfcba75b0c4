// SPDX-License-Identifier: MIT
#include "impl/core/devices.h"

#include <algorithm>

namespace iommucheck::impl {

bool Devices::create(const Platform& platform) {
  devices_ = platform.arena<Device>(std::max<u32>(count(), 1));
  return devices_ != nullptr;
}

void Devices::shutdown() {
  for (u32 i = 0; i < count(); ++i) devices_[i] = Device();
}

/// Devices that move together have no PASIDs (INTERFACE "Attach").
bool Devices::alone(u32 device) const {
  const u32 group = claims(device).group;
  for (u32 i = 0; i < count(); ++i) {
    if (i != device && claims(i).group == group) return false;
  }
  return true;
}

/// Into the ring of the devices that move together.
void Devices::join_group(u32 device) {
  devices_[device].next = device;
  for (u32 i = 0; i < count(); ++i) {
    const bool other = i != device && devices_[i].added;
    if (!other || claims(i).group != claims(device).group) continue;
    devices_[device].next = devices_[i].next;
    devices_[i].next = device;
    return;
  }
}

void Devices::leave_group(u32 device) {
  u32 before = device;
  while (devices_[before].next != device) before = devices_[before].next;
  devices_[before].next = devices_[device].next;
  devices_[device].next = device;
}

bool Devices::device_of(const Fault& fault, u32* device) const {
  for (u32 i = 0; i < count(); ++i) {
    if (!devices_[i].added || !backend_.came_from(fault, i)) continue;
    *device = i;
    return true;
  }
  return false;
}

/// An entry is one for all devices that reach it, so that faults there wait only if every one of
/// them can, unless the IOMMU asks each for itself.
bool Devices::may_wait(const Holder& holder) const {
  if (backend_.devices_wait_alone()) return true;
  bool all = true;
  for_each_device(holder,
                  [&](u32 device) { all &= pasid_bits(device) == 0 || backend_.can_wait(device); });
  return all;
}

const char* Devices::inconsistency() const {
  const char* wrong = nullptr;
  const auto expect = [&](bool holds, const char* what) {
    if (!holds && wrong == nullptr) wrong = what;
  };
  for (u32 i = 0; i < count(); ++i) {
    const Device& device = devices_[i];
    expect(device.added || device.domain == 0, "Device::domain of one that is not there");
    expect(device.next_table == nullptr, "Device::next_table between calls");
    if (!device.added || device.gone) continue;
    // Its ring is its group: devices that are there, and back to it.
    u32 steps = 0;
    for (u32 at = device.next; at != i && steps <= count(); at = devices_[at].next) {
      expect(devices_[at].added && claims(at).group == claims(i).group,
             "Device::next leads out of the group");
      ++steps;
    }
    expect(steps < count(), "Device::next is no ring");
  }
  return wrong;
}

}  // namespace iommucheck::impl
