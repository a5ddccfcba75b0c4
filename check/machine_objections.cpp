// SPDX-License-Identifier: MIT
#include "check/machine_objections.h"

#include <fmt/format.h>

#include <set>

#include "check/machine_limits.h"
#include "spec/smmu/id_registers.h"

namespace iommucheck::oracle {

using spec::Capabilities;
using spec::StallModel;
using spec::sva::DeviceSetup;

namespace {

/// What is followed of several SMMUs.
std::string objection_to_several(const Machine& machine) {
  std::set<u32> smmus;
  for (const DeviceSetup& device : machine.devices) {
    smmus.insert(device.iommu_number);
    if (device.stall || device.pri) return "beside another SMMU devices neither stall nor have pri";
    for (const DeviceSetup& other : machine.devices) {
      const bool together = device.group != DeviceSetup::alone && device.group == other.group;
      if (together && device.iommu_number != other.iommu_number) {
        return fmt::format("group {} is behind two SMMUs", device.group);
      }
    }
  }
  if (smmus.size() != *smmus.rbegin() + 1)
    return "SMMUs have the numbers from 0 on (smmu=0, 1, ...)";
  if (machine.caps.httu != 0) return "beside another SMMU there is no HTTU (httu=0)";
  if (machine.dirty || machine.guest) return "several SMMUs are nobody's before, and no guest's";
  return {};
}

}  // namespace

std::string objection_to(const Machine& machine) {
  const Capabilities& caps = machine.caps;
  if (spec::address_size_lg2(spec::address_size_encoding(caps.oas_lg2)) != caps.oas_lg2) {
    return "oas is one of 32, 36, 40, 42, 44 and 48";
  }
  if (machine.devices.empty() || machine.devices.size() > machine_limits::devices) {
    return fmt::format("{} devices; there are 1 to {}", machine.devices.size(),
                       machine_limits::devices);
  }
  std::set<u32> seen;
  for (const DeviceSetup& device : machine.devices) {
    for (const u32 sid : device.stream_ids) {
      if (!seen.insert(sid).second) return fmt::format("StreamID {:#x} stands twice", sid);
      if ((u64{sid} >> caps.sidsize) != 0) {
        return fmt::format("StreamID {:#x} has more than sidsize={} bits", sid, caps.sidsize);
      }
    }
    if (device.ats && !caps.ats) return "a device has ats where the SMMU has not (ats=0)";
    if (device.stall && caps.stall_model == StallModel::never) {
      return "a device can stall where the SMMU cannot (stall=1)";
    }
    if (device.pri && !caps.pri) return "a device has pri where the SMMU has not (pri=0)";
    if (device.pri && !device.ats) return "a device has pri and not ats";
    if (device.pri && device.stall) return "a device stalls, or has pri";
  }
  if (machine.high_memory && caps.oas_lg2 <= machine_limits::low_memory_bits) {
    return "memory=high needs oas=36 at least";
  }
  if (machine.has_several_smmus()) return objection_to_several(machine);
  const auto wrong_ids = spec::id_inconsistencies(spec::make_id_registers(caps));
  if (wrong_ids.empty()) return {};
  return fmt::format("no SMMU is like that: {} (IHI 0070 {})", wrong_ids.front().text,
                     wrong_ids.front().section);
}

bool is_allowed(const Machine& machine) {
  return spec::id_inconsistencies(spec::make_id_registers(machine.caps)).empty();
}

}  // namespace iommucheck::oracle
