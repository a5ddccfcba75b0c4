// SPDX-License-Identifier: MIT
// What a scenario says of the machine: world, dev, page, run, huge, proc.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "scenario/format/ast.h"
#include "spec/smmu/registers.h"
#include "spec/sva/setup.h"

namespace iommucheck::oracle::stories {

struct WorldDevice {
  enum class Faults : u8 { none, stall, pri };
  std::string name;
  u64 pasids = 1024;
  Faults faults = Faults::none;
  bool ats = false;
  std::string group;  ///< empty: alone
  std::string iommu;  ///< by its name; empty: "I0"; "none": none
  u32 sids = 1;
  std::string modes;

  [[nodiscard]] bool has_iommu() const { return iommu != "none"; }
};

struct WorldPage {
  u64 pa = 0;
  u64 bytes = 0;
};

struct World {
  bool second_backend = false;
  bool names_smmuv3 = false;
  bool per_device_tables = false;
  std::optional<u64> iova_bits;
  std::optional<u64> iommu_pasids;
  std::optional<u64> bbml;
  std::optional<std::string> dirty;
  std::optional<std::string> page_sizes;
  std::optional<std::string> iommus;
  spec::sva::Hooks hooks;  ///< without those that `hooks=-name,…` takes away
  std::vector<WorldDevice> devices;
  std::map<std::string, WorldPage> pages;
  std::vector<std::string> processes;

  /// `hooks=` stands there and takes one away.
  [[nodiscard]] bool lacks_hooks() const {
    return !(hooks.mm_alloc && hooks.mm_free && hooks.mm_attach && hooks.mm_detach);
  }
  /// Its IOMMU marks what devices write: unless it says `dirty=0`.
  [[nodiscard]] bool has_dirty() const { return dirty.value_or("1") != "0"; }
  /// Number of an IOMMU, in the order in which devices name them; I7, say, may be one without
  /// devices. Nothing: it is none.
  [[nodiscard]] std::optional<u32> iommu(std::string_view name) const;
  /// Index of the device, devices.size() if there is none of the name.
  [[nodiscard]] u32 device(std::string_view name) const;
  /// Number of stream IDs before those of the device; stream IDs are 1, 2, ….
  [[nodiscard]] u32 first_stream(u32 device) const;
  /// Group number as the interface has it.
  [[nodiscard]] u32 group_of(u32 device) const;
};

World world_of(const scenario::Scenario& scenario);

/// Of an SMMUv3 for that world: with both stages, and all that a world can ask for.
spec::Capabilities capabilities_of(const World& world);

/// The least width that has so many numbers; 0 for 0.
u32 bits_for(u64 numbers);

/// The devices as an IOMMU knows them: one that it does not stand before has no StreamID.
std::vector<spec::sva::DeviceSetup> hardware_devices(const World& world);

/// What the interface knows of it.
spec::sva::Setup interface_setup(const World& world);

}  // namespace iommucheck::oracle::stories
