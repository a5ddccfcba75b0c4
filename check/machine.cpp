// SPDX-License-Identifier: MIT
#include "check/machine.h"

#include <algorithm>
#include <set>
#include <utility>

#include "check/machine_limits.h"
#include "guest/guest_setup.h"
#include "monitor/monitor.h"
#include "spec/smmu/id_registers.h"

namespace iommucheck::oracle {

using spec::sva::DeviceSetup;

bool Machine::has_groups() const {
  std::set<u32> seen;
  return std::ranges::any_of(devices, [&](const DeviceSetup& device) {
    return device.group != DeviceSetup::alone && !seen.insert(device.group).second;
  });
}

bool Machine::has_several_smmus() const {
  return std::ranges::any_of(devices, [](const auto& its) { return its.iommu_number != 0; });
}

Machine default_machine() {
  Machine machine;
  machine.caps = spec::parse_capabilities(default_id_registers());
  machine.cmdq_log2size = 6;
  machine.devices = {{.stream_ids = {1}, .ssid_bits = 8, .stall = true},
                     {.stream_ids = {2, 3}, .ssid_bits = 5, .ats = true},
                     {.stream_ids = {4}},
                     {.stream_ids = {5}, .ssid_bits = 3, .ats = true, .stall = true}};
  return machine;
}

Machine machine_of_backend(Machine machine) {
  u32 wide_bits = 12;           // on both sides of what one page of a table may hold,
  constexpr u32 all_bits = 20;  // or two levels of pages
  const Machine usual = default_machine();
  machine.caps = usual.caps;
  machine.profile = {};
  machine.caps.ssidsize = 20;
  machine.caps.httu = 2;
  machine.cmdq_log2size = 0;
  machine.dirty = machine.guest = machine.high_memory = false;
  for (DeviceSetup& device : machine.devices) {
    if (device.ssid_bits == machine_limits::drawn_pasid_bits) {
      device.ssid_bits = wide_bits;
      wide_bits = wide_bits == all_bits ? 12 : all_bits;
    }
    device.pri |= device.stall && device.ats;
    device.stall = device.stall && !device.pri;
  }
  return machine;
}

Machine machine_of_two(Machine machine) {
  const std::size_t half = (machine.devices.size() + 1) / 2;
  std::set<u32> groups;  // of the first half
  for (std::size_t i = 0; i < machine.devices.size(); ++i) {
    DeviceSetup& device = machine.devices[i];
    device.stall = device.pri = false;
    if (i < half) groups.insert(device.group);
    const bool with_others = device.group != DeviceSetup::alone && groups.contains(device.group);
    device.iommu_number = i < half || with_others ? 0 : 1;
  }
  machine.caps.httu = 0;
  machine.dirty = false;
  return machine;
}

Machine machine_of_guest(Machine machine) {
  machine.guest = true;
  machine.caps = guest_capabilities(machine.caps);
  machine.devices = guest_devices(std::move(machine.devices), machine.caps);
  machine.dirty = machine.high_memory = false;
  return machine;
}

CallersMemory callers_memory(unsigned output_bits) {
  constexpr u64 gib = u64{1} << 30;
  // The driver's window and the processes' tables are at 2 GiB, or above all this (table_memory).
  if (output_bits < 32) return {.base = gib, .regions = 1};
  if (output_bits < 36) return {.base = gib, .regions = 2};
  if (output_bits <= 36) return {.base = 16 * gib, .regions = 8};
  return {.base = 64 * gib, .regions = 8};
}

u64 table_memory(const Machine& machine) {
  const u64 usual = Setup{}.window_pa;
  // Three quarters of what there is, which is above the callers' for each output size.
  return machine.high_memory ? (u64{3} << (machine.caps.oas_lg2 - 2)) + usual : usual;
}

}  // namespace iommucheck::oracle
