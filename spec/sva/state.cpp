// SPDX-License-Identifier: MIT
#include "spec/sva/state.h"

#include <algorithm>

namespace iommucheck::spec::sva {

namespace {

constexpr u64 smallest_page = 4096;

}  // namespace

InterfaceState::InterfaceState(Trail& trail_of_all, const Setup& setup)
    : trail(trail_of_all),
      address_spaces_max(setup.address_spaces),
      ssid_bits(setup.ssid_bits),
      stage2_bits(setup.stage2_bits),
      limits_are_the_drivers(setup.limits_are_the_drivers),
      walks_processes(setup.walks_processes),
      per_device_tables(setup.per_device_tables),
      keeps_pasid_0(setup.keeps_pasid_0),
      blocks_unattached(setup.blocks_unattached),
      stalls_unasked(setup.stalls_unasked),
      knows_privilege(setup.knows_privilege),
      fills_routes(setup.fills_routes),
      routes_identity(setup.routes_identity),
      routes_users(setup.routes_users),
      users_wait(setup.users_wait),
      hooks(setup.hooks),
      dirty(setup.dirty),
      user_format(setup.user_format),
      forest(trail_of_all),
      tickets(trail_of_all) {
  for (const DeviceSetup& device : setup.devices) {
    const u32 index = devices.push(trail, {.group = device.group, .present = device.present});
    for (const u32 sid : device.stream_ids) device_of_stream.emplace_back(sid, index);
    const auto in_its_group = [&](const DeviceSetup& d) { return d.group == device.group; };
    const bool grouped =
        device.group != DeviceSetup::alone &&
        std::count_if(setup.devices.begin(), setup.devices.end(), in_its_group) > 1;
    several_iommus |= device.iommu_number != 0;
    constants.push_back(
        {.stream_ids = device.stream_ids,
         .ssid_bits = grouped ? 0 : std::min(device.ssid_bits, setup.ssid_bits),
         .can_wait = (device.stall && setup.stalls) || (device.pri && setup.page_requests),
         .asks = device.pri && setup.page_requests,
         .iommu = device.iommu,
         .iommu_number = device.iommu_number,
         .svm = device.svm,
         .explicit_maps = device.explicit_maps,
         .grouped = grouped,
         .ats = device.ats,
         .passes = device.passes,
         .passes_at_pasid = device.passes_at_pasid && setup.routes_identity});
  }
  std::sort(device_of_stream.begin(), device_of_stream.end());
}

u64 granule(const Space& space) {
  if (space.page_sizes == 0) return smallest_page;
  return space.page_sizes & (~space.page_sizes + 1);
}

u32 InterfaceState::find(u64 handle) const { return forest.lookup(handles, handle).tag; }

u32 InterfaceState::find_paging(u64 handle) const {
  const u32 index = find(handle);
  if (index == 0) return 0;
  return spaces[index].kind == static_cast<u32>(DomainKind::paging) ? index : 0;
}

u32 InterfaceState::find_dynamic(u64 handle) const {
  const u32 index = find(handle);
  return index != 0 && is_dynamic(spaces[index]) ? index : 0;
}

u32 InterfaceState::find_stage2(u64 handle) const {
  const u32 index = find(handle);
  return index != 0 && spaces[index].kind == static_cast<u32>(DomainKind::paging_s2) ? index : 0;
}

u32 InterfaceState::find_queue(u64 handle) const { return forest.lookup(queue_at, handle).tag; }

u32 InterfaceState::queue_of(u32 device) const {
  for (u32 i = 1; i < queues.bound(); ++i) {
    if (queues[i].handle != 0 && queues[i].device == device) return i;
  }
  return 0;
}

u32 InterfaceState::queue_of_domain(u32 domain) const {
  for (u32 i = 1; i < queues.bound(); ++i) {
    if (queues[i].handle != 0 && domain != 0 && queues[i].domain == domain) return i;
  }
  return 0;
}

u32 InterfaceState::event_queue_of(u32 parent) const {
  for (u32 i = 1; i < queues.bound(); ++i) {
    if (queues[i].handle != 0 && parent != 0 && queues[i].parent == parent) return i;
  }
  return 0;
}

u32 InterfaceState::find_private(u64 handle) const {
  const u32 tag = forest.lookup(io_mms, handle).tag;
  return tag % 2 == 0 ? tag / 2 : 0;
}

u32 InterfaceState::find_process_io_mm(u64 handle) const {
  const u32 tag = forest.lookup(io_mms, handle).tag;
  return tag % 2 != 0 ? tag / 2 : 0;
}

u32 InterfaceState::find_process(u64 mm) const { return forest.lookup(processes, mm).tag; }

u32 InterfaceState::find_token(u64 handle) const { return forest.lookup(token_at, handle).tag; }

/// 0: never given, or free.
u32 InterfaceState::find_number(u32 pasid) const {
  const u32 index = forest.lookup(number_at, pasid).tag;
  return index != 0 && numbers[index].state != NumberState::free ? index : 0;
}

u32 InterfaceState::find_bond(u32 device, u32 pasid) const {
  const u32 number = find_number(pasid);
  if (number == 0) return 0;
  for (u32 b = numbers[number].bonds; b != 0; b = bonds[b].next) {
    if (bonds[b].device == device && is_callers(bonds[b])) return b;
  }
  return 0;
}

u32 InterfaceState::target(const Call& call) const {
  if (is_io_mm_call(call.kind)) return find_private(call.io_mm);
  if (is_task_call(call.kind)) {
    const u32 token = find_token(call.token);
    return token == 0 ? 0 : tokens[token].space;
  }
  const u32 domain = find(call.domain);
  const bool is_mapped =
      domain != 0 && (is_mapped_by_driver(spaces[domain].kind) || is_dynamic(spaces[domain]));
  return is_mapped ? domain : 0;
}

u32 InterfaceState::device_of(u32 stream_id) const {
  const auto at = std::lower_bound(device_of_stream.begin(), device_of_stream.end(),
                                   std::pair<u32, u32>(stream_id, 0));
  const bool found = at != device_of_stream.end() && at->first == stream_id;
  return found ? at->second : devices.size();
}

bool InterfaceState::device_exists(u32 device) const {
  return device < devices.size() && devices[device].present != 0;
}

bool InterfaceState::device_has_iommu(u32 device) const {
  return device_exists(device) && constants[device].iommu;
}

bool InterfaceState::can_send(u32 device, u32 pasid) const {
  const u32 bits = constants[device].ssid_bits;
  return bits != 0 && (u64{pasid} >> bits) == 0;
}

bool InterfaceState::has_sva(u32 device) const {
  return device_exists(device) && devices[device].initialised != 0;
}

u64 InterfaceState::domain_of(u32 device) const {
  if (device >= devices.size()) return 0;
  const u32 domain = devices[device].domain;
  return domain == 0 ? 0 : spaces[domain].handle;
}

/// INTERFACE "Attach", groups: attach and detach of a member move all that are there.
bool InterfaceState::moves_with(u32 device, u32 other) const {
  if (!device_has_iommu(other)) return false;
  if (device == other) return true;
  const u32 group = devices[device].group;
  return group != DeviceSetup::alone && devices[other].group == group;
}

bool InterfaceState::has_link(const Space& space, u32 device) const {
  for (u32 l = space.links; l != 0; l = links[l].next) {
    if (links[l].device == device) return true;
  }
  return false;
}

bool InterfaceState::is_linked(const Space& space, u32 device) const {
  for (u32 l = space.links; l != 0; l = links[l].next) {
    if (links[l].device == device) return links[l].doubtful == 0;
  }
  return false;
}

/// The record of the number that plain binds share; 0 without such a bond.
u32 InterfaceState::main_number(u32 process) const {
  u32 found = 0;
  for_each_bond_of(process, [&](u32 i) {
    const u32 number = bonds[i].number;
    if (is_callers(bonds[i]) && numbers[number].further == 0) found = number;
  });
  return found;
}

/// Whether something may cache its tables: the changes are kept until an Invalidate.
bool InterfaceState::is_watched(u32 process) const {
  if (spaces[process].devices != 0) return true;
  bool binds = false;
  tickets.for_each([&](const Pending& pending) {
    binds |= pending.kind == static_cast<u32>(CallKind::bind_device) && pending.space == process;
  });
  return binds;
}

void close_ticket(InterfaceState& s, Ticket ticket) {
  const Pending* open = s.tickets.find(ticket);
  if (open != nullptr && open->fresh != 0) s.forest.clear(s.tickets.opened(ticket).fresh);
  s.tickets.close(ticket);
}

}  // namespace iommucheck::spec::sva
