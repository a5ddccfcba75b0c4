// SPDX-License-Identifier: MIT
#include "spec/sva/interface.h"

#include <algorithm>

namespace iommucheck::spec::sva {

namespace {

constexpr u64 whole_space = ~u64{0};
constexpr u64 smallest_page = 4096;

}  // namespace

Interface::Interface(Trail& trail, const Setup& setup)
    : trail_(trail),
      address_spaces_(setup.address_spaces),
      ssid_bits_(setup.ssid_bits),
      per_device_tables_(setup.per_device_tables),
      keeps_pasid_0_(setup.keeps_pasid_0),
      forest_(trail) {
  for (const DeviceSetup& device : setup.devices) {
    const u32 index = devices_.push(trail_, {.group = device.group, .present = device.present});
    for (const u32 sid : device.stream_ids) device_of_stream_.emplace_back(sid, index);
    const auto in_its_group = [&](const DeviceSetup& d) { return d.group == device.group; };
    const bool grouped =
        device.group != DeviceSetup::alone &&
        std::count_if(setup.devices.begin(), setup.devices.end(), in_its_group) > 1;
    constants_.push_back(
        {.stream_ids = device.stream_ids,
         .ssid_bits = grouped ? 0 : std::min(device.ssid_bits, setup.ssid_bits),
         .can_wait = (device.stall && setup.stalls) || (device.pri && setup.page_requests),
         .iommu = device.iommu,
         .grouped = grouped});
  }
  std::sort(device_of_stream_.begin(), device_of_stream_.end());
}

const std::vector<u32>& Interface::stream_ids(u32 device) const {
  return constants_.at(device).stream_ids;
}

u32 Interface::device_of(u32 stream_id) const {
  const auto at = std::lower_bound(device_of_stream_.begin(), device_of_stream_.end(),
                                   std::pair<u32, u32>(stream_id, 0));
  const bool found = at != device_of_stream_.end() && at->first == stream_id;
  return found ? at->second : device_count();
}

u64 Interface::domain_of(u32 device) const {
  if (device >= devices_.size()) return 0;
  const u32 domain = devices_[device].domain;
  return domain == 0 ? 0 : spaces_[domain].handle;
}

bool Interface::is_paging(u64 handle) const { return find_paging(handle) != 0; }

DomainFacts Interface::facts_of(u64 handle) const {
  const u32 index = find(handle);
  if (index == 0) return {.input_bits = 0, .output_bits = 0, .page_sizes = 0};
  const Space& domain = spaces_[index];
  return {domain.input_bits, domain.output_bits, domain.page_sizes};
}

DomainFacts Interface::facts_of_io_mm(u64 handle) const {
  const u32 index = find_private(handle);
  if (index == 0) return {.input_bits = 0, .output_bits = 0, .page_sizes = 0};
  const Space& space = spaces_[index];
  return {space.input_bits, space.output_bits, space.page_sizes};
}

u32 Interface::find(u64 handle) const { return forest_.lookup(handles_, handle).tag; }

u32 Interface::find_paging(u64 handle) const {
  const u32 index = find(handle);
  if (index == 0) return 0;
  return spaces_[index].kind == static_cast<u32>(DomainKind::paging) ? index : 0;
}

u32 Interface::find_private(u64 handle) const {
  const u32 tag = forest_.lookup(io_mms_, handle).tag;
  return tag % 2 == 0 ? tag / 2 : 0;
}

u32 Interface::find_process_io_mm(u64 handle) const {
  const u32 tag = forest_.lookup(io_mms_, handle).tag;
  return tag % 2 != 0 ? tag / 2 : 0;
}

u32 Interface::find_process(u64 mm) const { return forest_.lookup(processes_, mm).tag; }

/// 0: never given, or free.
u32 Interface::find_number(u32 pasid) const {
  const u32 index = forest_.lookup(number_at_, pasid).tag;
  return index != 0 && numbers_[index].state != NumberState::free ? index : 0;
}

u32 Interface::find_bond(u32 device, u32 pasid) const {
  const u32 number = find_number(pasid);
  if (number == 0) return 0;
  for (u32 b = numbers_[number].bonds; b != 0; b = bonds_[b].next) {
    if (bonds_[b].device == device && is_callers(bonds_[b])) return b;
  }
  return 0;
}

u32 Interface::target(const Call& call) const {
  return is_io_mm_call(call.kind) ? find_private(call.io_mm) : find_paging(call.domain);
}

bool Interface::device_exists(u32 device) const {
  return device < devices_.size() && devices_[device].present != 0;
}

bool Interface::device_has_iommu(u32 device) const {
  return device_exists(device) && constants_[device].iommu;
}

bool Interface::has_sva(u32 device) const {
  return device_exists(device) && devices_[device].initialised != 0;
}

Substream Interface::pasid_of_io_mm(u64 handle) const {
  const u32 index = find_private(handle);
  if (index == 0 || spaces_[index].number == 0) return {};
  return substream(numbers_[spaces_[index].number].value);
}

u64 Interface::domain_of_io_mm(u64 handle) const {
  const u32 index = find_private(handle);
  return index == 0 ? 0 : spaces_[spaces_[index].domain].handle;
}

/// The record of the number that plain binds share; 0 without such a bond.
u32 Interface::main_number(u32 process) const {
  u32 found = 0;
  for_each_bond_of(process, [&](u32 i) {
    const u32 number = bonds_[i].number;
    if (is_callers(bonds_[i]) && numbers_[number].further == 0) found = number;
  });
  return found;
}

Substream Interface::pasid_of_process(u64 mm) const {
  const u32 number = main_number(find_process(mm));
  return number == 0 ? Substream{} : substream(numbers_[number].value);
}

bool Interface::is_bound(u64 mm) const {
  const u32 process = find_process(mm);
  return process != 0 && is_watched(process);
}

bool Interface::is_stale(u64 mm) const {
  const u32 index = find_process(mm);
  if (index == 0) return false;
  const Space& process = spaces_[index];
  return forest_.first_mapped_in(process.stale, 0, whole_space).found ||
         forest_.first_mapped_in(process.older, 0, whole_space).found;
}

/// INTERFACE "Attach", groups: attach and detach of a member move all that are there.
bool Interface::moves_with(u32 device, u32 other) const {
  if (!device_has_iommu(other)) return false;
  if (device == other) return true;
  const u32 group = devices_[device].group;
  return group != DeviceSetup::alone && devices_[other].group == group;
}

u64 Interface::granule(const Space& space) const {
  if (space.page_sizes == 0) return smallest_page;
  return space.page_sizes & (~space.page_sizes + 1);
}

/// Living ones, those that a time-out holds, and bound processes, whose number the CPUs chose.
u32 Interface::address_spaces() const {
  u32 count = 0;
  for_each_space([&](u32 i) {
    const Space& space = spaces_[i];
    if (space.kind != static_cast<u32>(DomainKind::paging)) return;
    if (space.owner != Owner::process || space.devices != 0) ++count;
  });
  return count;
}

bool Interface::page_in_flight(u64 pa, u64 size) const {
  if (size == 0) return false;
  bool found = false;
  const u64 pa_last = pa + (size - 1);
  for_each_in_flight([&](u32 /*space*/, const Interval& piece) {
    const u64 piece_last = piece.pa + (piece.last - piece.first);
    found |= piece.pa <= pa_last && pa <= piece_last;
  });
  return found;
}

}  // namespace iommucheck::spec::sva
