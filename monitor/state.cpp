// SPDX-License-Identifier: MIT
#include "monitor/state.h"

#include <memory>

namespace iommucheck::oracle {

namespace {

spec::sva::Setup interface_setup(const Setup& setup, const spec::sva::UserFormat* user_format) {
  spec::sva::Setup result;
  result.user_format = user_format;
  result.devices = setup.devices;
  if (setup.domains_span) {
    for (spec::sva::DeviceSetup& device : result.devices) device.iommu_number = 0;
  }
  const spec::Capabilities caps = spec::parse_capabilities(setup.id);
  if (caps.asid16 && (!caps.s2p || caps.vmid16)) result.address_spaces = 65535;
  result.ssid_bits = caps.ssidsize;
  if (caps.s2p) result.stage2_bits = spec::ias_lg2(caps);
  result.walks_processes = caps.gran4k;
  result.per_device_tables = setup.per_device_tables;
  result.blocks_unattached = !setup.not_claimed.has(Claim::blocking);
  result.hooks = setup.hooks.value_or(spec::sva::Hooks{});
  // STALL_MODEL = 1: nothing stalls.
  result.stalls = caps.stall_model != spec::StallModel::never;
  // Drivers set CD.S by what the device can do, or by what it asked for: either is a process's
  // space that stalls.
  result.stalls_unasked = true;
  result.page_requests = caps.pri && caps.ats && caps.s1p;
  using spec::sva::DirtyHardware;
  if (caps.httu >= 2) result.dirty = caps.cohacc ? DirtyHardware::present : DirtyHardware::open;
  if (setup.hardware != nullptr) {
    result.stalls = result.page_requests = true;
    result.users_wait = false;
    result.stalls_unasked = false;
    result.dirty = DirtyHardware::none;
    setup.hardware->adapt(result);
  }
  return result;
}

}  // namespace

spec::IdRegisters default_id_registers() {
  spec::Capabilities caps;
  caps.minor = 1;  // BBML = 0, which asks most of a driver, is there before v3.2 only
  caps.s1p = caps.aarch64 = caps.cohacc = true;
  caps.asid16 = caps.had = caps.ril = true;
  caps.ttendian = 2;
  caps.stall_model = spec::StallModel::both;
  caps.ats = true;
  caps.stall_max = 8;
  caps.cd2l = true;
  caps.ssidsize = 8;
  caps.two_level_stream_table = true;
  caps.sidsize = 16;
  caps.cmdqs = 8;
  caps.eventqs = 7;
  caps.oas_lg2 = 44;
  caps.gran4k = true;
  return spec::make_id_registers(caps);
}

MonitorState::MonitorState(const Setup& setup)
    : setup_(setup),
      caches_(spec::parse_capabilities(setup.id), setup.profile),
      smmu_(caches_, setup.id),
      user_format_(spec::parse_capabilities(setup.id)),
      interface_(caches_.trail(),
                 interface_setup(setup, setup.hardware != nullptr ? setup.hardware->user_format()
                                                                  : &user_format_)) {
  if (setup.window_bytes != 0) {
    caches_.memory().reserve(setup.window_pa, setup.window_bytes, setup.window_memory);
  }
  if (setup.commands_in_events) smmu_.commands_come_from_events();
  if (!setup.invalidations_known) smmu_.invalidations_are_not_told();
  if (setup.device_is_judged && setup.seen_bytes != 0) {
    smmu_.memory_is(setup.seen_pa, setup.seen_bytes);
  }
  smmu_.reset(setup.assumed_clean);
  caches_.track_changes(setup.calls_are_known);
  if (setup.calls_are_known) caches_.judge_group_outputs();
  const spec::Capabilities capabilities = spec::parse_capabilities(setup.id);
  for (u32 i = 0; i < setup.devices.size(); ++i) {
    const spec::sva::DeviceSetup& device = setup.devices[i];
    for (const u32 sid : streams_here(i)) {
      const bool ats = device.ats && capabilities.ats && setup.calls_are_known;
      if (ats && setup.hardware == nullptr) caches_.set_ats(sid, true);
    }
  }
  smmu_.tell_endpoints([this](u32 sid, bool answered) {
    answered ? interface_.endpoint_answers(sid) : interface_.endpoint_silent(sid);
  });
  if (setup.device_is_judged) {
    const bool everywhere = setup.seen_everywhere;
    device_rules_ = std::make_unique<DeviceRules>(caches_, smmu_, everywhere ? 0 : setup.seen_pa,
                                                  everywhere ? ~u64{0} : setup.seen_bytes);
  } else if (!setup.calls_are_known) {
    recording_ = std::make_unique<RecordingRules>(caches_);
  }
  if (setup_.hardware != nullptr) {
    hardware_ = std::make_unique<HardwareJudge>(*setup_.hardware, interface_, setup_.devices);
  }
}

bool MonitorState::is_here(u32 device) const {
  return !setup_.registers_each || setup_.devices[device].iommu_number == setup_.smmu;
}

std::span<const u32> MonitorState::streams_here(u32 device) const {
  if (!is_here(device)) return {};
  return interface_.stream_ids(device);
}

u32 MonitorState::device_here(u32 sid) const {
  const u32 device = interface_.device_of(sid);
  const u32 none = interface_.device_count();
  return device == none || is_here(device) ? device : none;
}

/// Whether no device has this StreamID. Where no device is named at all, nobody knows.
bool MonitorState::is_nobodys(u32 sid) const {
  return !setup_.devices.empty() && device_here(sid) == interface_.device_count();
}

/// An access of the place, of a kind that is filled in later.
spec::Access MonitorState::access_at(const Place& place, u64 va) {
  return {.sid = place.sid, .ssid = place.at.number, .ssv = place.at.present, .va = va};
}

Where MonitorState::where(const Place& place) const {
  if (place.walker) {
    Where where{.walker = true};
    if (place.device < interface_.device_count()) where.device = place.device;
    return where;
  }
  Where where{.sid = place.sid};
  where.nobodys = is_nobodys(place.sid);
  if (!where.nobodys) where.device = place.device;
  if (place.at.present) where.pasid = place.at.number;
  return where;
}

std::string_view MonitorState::why_nothing_is_consumed() const {
  if (hardware_ || !smmu_.stopped_by_error()) return "";
  return ": the command queue has stopped with a command error, which nobody has acknowledged "
         "(GERROR.CMDQ_ERR)";
}

trace::DomainId MonitorState::domain_id(u64 handle) {
  return trace::DomainId{case_.calls.numbers.domains.number(handle)};
}

}  // namespace iommucheck::oracle
