// SPDX-License-Identifier: MIT
#include "spec/sva/interface.h"

#include <algorithm>

#include "base/text.h"

namespace iommucheck::spec::sva {

namespace {

constexpr u64 whole_space = ~u64{0};
constexpr u64 smallest_page = 4096;

std::string range_text(u64 first, u64 last) { return "[" + hex(first) + ", " + hex(last) + "]"; }

}  // namespace

Interface::Interface(Trail& trail, const Setup& setup)
    : trail_(trail), address_spaces_(setup.address_spaces), forest_(trail) {
  for (const DeviceSetup& device : setup.devices) {
    const u32 index = devices_.push(
        trail_, {.domain = 0, .ghosts = 0, .group = device.group, .present = device.present});
    for (const u32 sid : device.stream_ids) device_of_stream_.emplace_back(sid, index);
    stream_ids_.push_back(device.stream_ids);
  }
  std::sort(device_of_stream_.begin(), device_of_stream_.end());
}

const std::vector<u32>& Interface::stream_ids(u32 device) const { return stream_ids_.at(device); }

u32 Interface::device_of(u32 stream_id) const {
  const auto at = std::lower_bound(device_of_stream_.begin(), device_of_stream_.end(),
                                   std::pair<u32, u32>(stream_id, 0));
  const bool found = at != device_of_stream_.end() && at->first == stream_id;
  return found ? at->second : device_count();
}

u64 Interface::domain_of(u32 device) const {
  if (device >= devices_.size()) return 0;
  const u32 domain = devices_[device].domain;
  return domain == 0 ? 0 : domains_[domain].handle;
}

bool Interface::is_paging(u64 handle) const { return find_paging(handle) != 0; }

DomainFacts Interface::facts_of(u64 handle) const {
  const u32 index = find(handle);
  if (index == 0) return {.input_bits = 0, .output_bits = 0, .page_sizes = 0};
  const Domain& domain = domains_[index];
  return {domain.input_bits, domain.output_bits, domain.page_sizes};
}

u32 Interface::find(u64 handle) const { return forest_.lookup(handles_, handle).tag; }

u32 Interface::find_paging(u64 handle) const {
  const u32 index = find(handle);
  if (index == 0) return 0;
  return domains_[index].kind == static_cast<u32>(DomainKind::paging) ? index : 0;
}

bool Interface::device_exists(u32 device) const {
  return device < devices_.size() && devices_[device].present != 0;
}

/// INTERFACE "Attach", groups: attach and detach of a member move all that are there.
bool Interface::moves_with(u32 device, u32 other) const {
  if (!device_exists(other)) return false;
  if (device == other) return true;
  const u32 group = devices_[device].group;
  return group != DeviceSetup::alone && devices_[other].group == group;
}

u64 Interface::granule(const Domain& domain) const {
  if (domain.page_sizes == 0) return smallest_page;
  return domain.page_sizes & (~domain.page_sizes + 1);
}

/// Living ones and those that a time-out holds: both keep their number.
u32 Interface::paging_domains() const {
  u32 count = 0;
  for_each_domain([&](u32 i) {
    if (domains_[i].kind == static_cast<u32>(DomainKind::paging)) ++count;
  });
  return count;
}

bool Interface::page_in_flight(u64 pa, u64 size) const {
  if (size == 0) return false;
  bool found = false;
  const u64 pa_last = pa + (size - 1);
  for_each_domain([&](u32 i) {
    const Domain& domain = domains_[i];
    const auto look = [&](const Interval& piece) {
      const u64 piece_last = piece.pa + (piece.last - piece.first);
      found |= piece.pa <= pa_last && pa <= piece_last;
    };
    forest_.for_each(domain.stale, 0, whole_space, look);
    // All that a zombie maps is reachable until recovery.
    if (domain.life == zombie) forest_.for_each(domain.map, 0, whole_space, look);
  });
  return found;
}

/// DESIGN 4, promise 4.
std::vector<Leak> Interface::leaks() const {
  std::vector<Leak> leaks;
  for_each_domain([&](u32 i) {
    const Domain& domain = domains_[i];
    const bool is_living = domain.life == living;
    leaks.push_back({.kind = is_living ? Leak::Kind::domain : Leak::Kind::quarantined,
                     .handle = domain.handle,
                     .first = 0,
                     .last = whole_space});
    forest_.for_each(domain.stale, 0, whole_space, [&](const Interval& piece) {
      leaks.push_back(
          {.kind = piece.tag == gathered ? Leak::Kind::not_synchronised : Leak::Kind::quarantined,
           .handle = domain.handle,
           .first = piece.first,
           .last = piece.last});
    });
  });
  for (u32 i = 0; i < devices_.size(); ++i) {
    const Device& device = devices_[i];
    if (device.domain != 0) {
      leaks.push_back({.kind = Leak::Kind::attached_device, .handle = domain_of(i), .device = i});
    }
    for (u32 g = device.ghosts; g != 0; g = ghosts_[g].next) {
      leaks.push_back({.kind = Leak::Kind::quarantined,
                       .handle = domains_[ghosts_[g].domain].handle,
                       .device = i,
                       .first = 0,
                       .last = whole_space});
    }
  }
  return leaks;
}

std::string leak_text(const Leak& leak) {
  const std::string domain = "domain " + hex(leak.handle);
  switch (leak.kind) {
    case Leak::Kind::domain: return domain + " is not freed";
    case Leak::Kind::attached_device:
      return "device " + std::to_string(leak.device) + " is attached to " + domain;
    case Leak::Kind::not_synchronised:
      return domain + ": " + range_text(leak.first, leak.last) + " is not synchronised";
    case Leak::Kind::quarantined:
      return domain + ": " + range_text(leak.first, leak.last) + " is held after a time-out";
  }
  return "";
}

std::string Interface::dump() const {
  std::string text;
  const auto intervals = [&](const char* name, u64 root) {
    forest_.for_each(root, 0, whole_space, [&](const Interval& piece) {
      text += std::string("  ") + name + " " + range_text(piece.first, piece.last) + " pa " +
              hex(piece.pa) + " prot " + hex(piece.prot) + " tag " + std::to_string(piece.tag) +
              "\n";
    });
  };
  for (u32 i = 0; i < devices_.size(); ++i) {
    const Device& device = devices_[i];
    text += "device " + std::to_string(i) + " present " + std::to_string(device.present) +
            " domain " + std::to_string(device.domain);
    for (u32 g = device.ghosts; g != 0; g = ghosts_[g].next) {
      text += " ghost " + std::to_string(ghosts_[g].domain);
    }
    text += "\n";
  }
  for_each_domain([&](u32 i) {
    const Domain& domain = domains_[i];
    text += "domain " + std::to_string(i) + " handle " + hex(domain.handle) + " kind " +
            std::to_string(domain.kind) + " life " + std::to_string(domain.life) + " bits " +
            std::to_string(domain.input_bits) + " " + std::to_string(domain.output_bits) +
            " page sizes " + hex(domain.page_sizes) + " devices " + std::to_string(domain.devices) +
            " ghosts " + std::to_string(domain.ghosts) + " added " +
            range_text(domain.added_first, domain.added_last) + "\n";
    intervals("map", domain.map);
    intervals("stale", domain.stale);
  });
  intervals("handle", handles_);
  intervals("freed", freed_handles_);
  if (pending_.active != 0) {
    text += "in " + std::string(call_name(static_cast<CallKind>(pending_.kind))) + " domain " +
            std::to_string(pending_.domain) + " device " + std::to_string(pending_.device) +
            " range " + range_text(pending_.first, pending_.last) + "\n";
    intervals("fresh", pending_.fresh);
  }
  return text;
}

}  // namespace iommucheck::spec::sva
