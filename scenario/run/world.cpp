// SPDX-License-Identifier: MIT
#include "scenario/run/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "base/text.h"
#include "monitor/monitor.h"
#include "scenario/format/tokens.h"

namespace iommucheck::oracle::stories {
namespace {

using scenario::Declare;
using scenario::Setting;

// Pages lie apart, so that two of them are never one mapping by accident.
constexpr u64 pages_base = u64{1} << 33;
constexpr u64 huge_bytes = u64{1} << 21;

u64 number(const Setting& setting) { return parse_number(setting.value.text).value_or(0); }

void set_world(World& world, const Setting& setting) {
  const std::string& key = setting.key.text;
  const std::string& value = setting.value.text;
  if (key == "backend") {
    world.second_backend = value == "two";
    world.names_smmuv3 = value == "smmuv3";
  }
  if (key == "tables") world.per_device_tables = value == "per_device";
  if (key == "iova_bits") world.iova_bits = number(setting);
  if (key == "iommu_pasids") world.iommu_pasids = number(setting);
  if (key == "bbml") world.bbml = number(setting);
  if (key == "dirty") world.dirty = value;
  if (key == "pgsizes") world.page_sizes = value;
  if (key == "iommus") world.iommus = value;
  if (key == "hooks") {
    const auto has = [&](std::string_view hook) {
      return value.find("-" + std::string(hook)) == std::string::npos;
    };
    world.hooks = {.mm_alloc = has("mm_alloc"),
                   .mm_free = has("mm_free"),
                   .mm_attach = has("mm_attach"),
                   .mm_detach = has("mm_detach")};
  }
}

WorldDevice device_of(const Declare& declare) {
  WorldDevice device;
  for (const Setting& setting : declare.settings) {
    const std::string& key = setting.key.text;
    const std::string& value = setting.value.text;
    if (key == "pasids") device.pasids = number(setting);
    if (key == "iopf" && value == "stall") device.faults = WorldDevice::Faults::stall;
    if (key == "iopf" && value == "pri") device.faults = WorldDevice::Faults::pri;
    if (key == "ats") device.ats = value == "1";
    if (key == "group") device.group = value;
    if (key == "iommu") device.iommu = value;
    if (key == "sids") device.sids = static_cast<u32>(number(setting));
    if (key == "modes") device.modes = value;
  }
  return device;
}

}  // namespace

std::optional<u32> World::iommu(std::string_view name) const {
  const auto named = [](std::string_view its) { return its.empty() ? "I0" : its; };
  std::vector<std::string_view> names;
  for (const WorldDevice& device : devices) {
    const std::string_view its = named(device.iommu);
    if (device.has_iommu() && std::ranges::find(names, its) == names.end()) names.push_back(its);
  }
  const auto at = std::ranges::find(names, named(name));
  if (at != names.end()) return static_cast<u32>(at - names.begin());
  const bool is_one = name.starts_with('I') && parse_number(name.substr(1)).has_value();
  return is_one ? std::optional(static_cast<u32>(names.size())) : std::nullopt;
}

u32 World::device(std::string_view name) const {
  const auto at = std::ranges::find(devices, name, &WorldDevice::name);
  return static_cast<u32>(at - devices.begin());
}

u32 World::first_stream(u32 device) const {
  u32 streams = 0;
  for (u32 i = 0; i < device; ++i) streams += devices[i].sids;
  return streams;
}

u32 World::group_of(u32 device) const {
  const std::string& name = devices[device].group;
  for (u32 i = 0; !name.empty() && i < device; ++i) {
    if (devices[i].group == name) return i;
  }
  return device;
}

u32 bits_for(u64 numbers) {
  return numbers == 0 ? 0 : std::max(1U, static_cast<u32>(std::bit_width(numbers - 1)));
}

World world_of(const scenario::Scenario& scenario) {
  World world;
  u64 next = pages_base;
  for (const scenario::Step& step : scenario.steps) {
    const auto* declare = std::get_if<Declare>(&step.what);
    if (declare == nullptr) continue;
    for (const Setting& setting : declare->settings) {
      if (declare->kind == Declare::Kind::world) set_world(world, setting);
    }
    for (const scenario::Name& name : declare->names) {
      switch (declare->kind) {
        case Declare::Kind::dev:
          world.devices.push_back(device_of(*declare));
          world.devices.back().name = name.text;
          break;
        case Declare::Kind::proc: world.processes.push_back(name.text); break;
        case Declare::Kind::page:
        case Declare::Kind::run:
        case Declare::Kind::huge: {
          const bool huge = declare->kind == Declare::Kind::huge;
          const u64 bytes = huge ? huge_bytes : declare->count << 12;
          if (huge) next = (next + huge_bytes - 1) & ~(huge_bytes - 1);
          world.pages[name.text] = {next, bytes};
          next += bytes + 0x3000;
          break;
        }
        default: break;
      }
    }
  }
  return world;
}

spec::Capabilities capabilities_of(const World& world) {
  spec::Capabilities caps = spec::parse_capabilities(default_id_registers());
  caps.ssidsize = world.iommu_pasids ? bits_for(*world.iommu_pasids) : 20;
  caps.stall_model = spec::StallModel::both;
  caps.bbml = static_cast<unsigned>(world.bbml.value_or(0));
  caps.ats = true;
  const auto asks = [](const WorldDevice& one) { return one.faults == WorldDevice::Faults::pri; };
  caps.pri = std::ranges::any_of(world.devices, asks);
  caps.priqs = caps.pri ? 8 : 0;
  caps.s2p = caps.vmid16 = true;
  caps.httu = world.has_dirty() ? 2 : 0;
  return caps;
}

spec::sva::Setup interface_setup(const World& world) {
  spec::sva::Setup setup;
  for (u32 i = 0; i < world.devices.size(); ++i) {
    const WorldDevice& device = world.devices[i];
    spec::sva::DeviceSetup one;
    for (u32 s = 0; s < device.sids; ++s) one.stream_ids.push_back(world.first_stream(i) + s + 1);
    if (!device.group.empty()) one.group = world.group_of(i);
    one.ssid_bits = bits_for(device.pasids);
    one.ats = device.ats;
    one.stall = device.faults == WorldDevice::Faults::stall;
    one.pri = device.faults == WorldDevice::Faults::pri;
    one.iommu = device.has_iommu();
    one.iommu_number = world.iommu(device.iommu).value_or(0);
    if (!device.modes.empty()) {
      one.svm = device.modes.find("svm") != std::string::npos;
      one.explicit_maps = device.modes.find("explicit") != std::string::npos;
    }
    setup.devices.push_back(std::move(one));
  }
  setup.address_spaces = 65535;
  setup.ssid_bits = world.iommu_pasids ? bits_for(*world.iommu_pasids) : 20;
  setup.per_device_tables = world.per_device_tables;
  setup.keeps_pasid_0 = !world.second_backend;
  setup.routes_identity = world.second_backend;
  setup.routes_users = world.second_backend;
  setup.users_wait = !world.second_backend;
  setup.hooks = world.hooks;
  if (world.has_dirty()) setup.dirty = spec::sva::DirtyHardware::present;
  return setup;
}

std::vector<spec::sva::DeviceSetup> hardware_devices(const World& world) {
  std::vector<spec::sva::DeviceSetup> devices = interface_setup(world).devices;
  for (spec::sva::DeviceSetup& device : devices) {
    if (!device.iommu) device.stream_ids.clear();
  }
  return devices;
}

}  // namespace iommucheck::oracle::stories
