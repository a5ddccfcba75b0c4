// SPDX-License-Identifier: MIT
// The machine of a guest: what its SMMU has, which its host plays, and where its memory lies.
#pragma once

#include <vector>

#include "base/types.h"
#include "guest/guest_memory.h"
#include "spec/smmu/registers.h"
#include "spec/sva/setup.h"

namespace iommucheck::oracle {

inline constexpr u64 guest_page_bytes = 4096;

/// Of an SMMU that has them, those that its guest's can have: stage 1 alone, with flags of leaves
/// that hardware updates, and nothing that needs an answer of the device or the host (ATS, PRI,
/// stalls), or that CPUs tell (BTM).
spec::Capabilities guest_capabilities(spec::Capabilities caps);
/// The host's own.
spec::Capabilities host_capabilities(const spec::Capabilities& guest);

/// The same devices without what the guest's SMMU has not.
std::vector<spec::sva::DeviceSetup> guest_devices(std::vector<spec::sva::DeviceSetup> devices,
                                                  const spec::Capabilities& guest);
/// Their StreamIDs, each of which is a device of the host's.
std::vector<u32> guest_streams(const std::vector<spec::sva::DeviceSetup>& devices);
/// Those, which the host calls otherwise.
std::vector<spec::sva::DeviceSetup> host_devices(
    const std::vector<spec::sva::DeviceSetup>& devices);

/// Memory of the guest, by its own addresses.
struct GuestPlaces {
  u64 window_pa = u64{2} << 30;
  u64 window_bytes = u64{4} << 20;
  u64 process_bytes = u64{1} << 20;
  u64 pages_pa = u64{3} << 30;  ///< what devices are to reach
  u64 pages_bytes = u64{16} << 20;
  u64 doorbell_pa = 0x08020000;  ///< of its interrupt controller, which the host plays, too
  [[nodiscard]] std::vector<GuestMemory::Region> regions() const;
};

struct GuestSetup {
  spec::Capabilities caps;  ///< of its SMMU
  std::vector<spec::sva::DeviceSetup> devices;
  GuestPlaces places{};
};

}  // namespace iommucheck::oracle
