// SPDX-License-Identifier: MIT
// What is known of a run before its first event.
#pragma once

#include <optional>
#include <vector>

#include "monitor/hardware.h"
#include "monitor/not_claimed.h"
#include "monitor/other_smmu.h"
#include "spec/smmu/id_registers.h"
#include "spec/smmu/profile.h"
#include "spec/sva/interface.h"

namespace iommucheck::oracle {

/// What is known before the first event.
struct Setup {
  spec::IdRegisters id;
  spec::Profile profile;
  std::vector<spec::sva::DeviceSetup> devices;
  /// The IOMMUs that devices are behind have registers of their own each; false: those of IOMMU 0
  /// are all that there are.
  bool registers_each = false;
  static constexpr u32 smmus_max = 16;  ///< such ones that are followed
  u32 smmu = 0;                         ///< then: which one is followed here
  bool domains_span = false;            ///< then: a domain is for devices behind any of them
  bool per_device_tables = false;       ///< PASID tables belong to devices, not to domains
  /// The driver tells what its backend's hooks do; which there are.
  std::optional<spec::sva::Hooks> hooks;
  u64 window_pa = u64{1} << 31;  ///< table memory, 0 bytes: none is set aside
  u64 window_bytes = 0;
  bool calls_are_known = true;  ///< false: a recording below the interface; no promises are judged
  bool device_is_judged = false;  ///< a device under test (conform): the driver is our own
  u64 seen_pa = 0;                ///< then: the memory in which accesses are seen to arrive
  u64 seen_bytes = ~u64{0};
  bool seen_everywhere = false;     ///< accesses tell where they went, wherever that is
  bool commands_in_events = false;  ///< command slots are known only when they are consumed
  bool invalidations_known = true;  ///< of CPUs' caches, where IDR0.COHACC = 0
  bool barriers_known = true;       ///< false: stores count as visible at once
  bool assumed_clean = false;       ///< caches held nothing at the first event
  NotClaimed not_claimed;           ///< of the driver: what of it is not judged
  bool no_page_sizes = false;       ///< of the SMMU's the platform can use none
  u32 cmdq_log2size = 6;            ///< what the platform asks of a driver; 0: nothing
  u64* window_memory = nullptr;     ///< zeroed, window_bytes, outlives all; null: the monitor's own
  Hardware* hardware = nullptr;     ///< in the place of an SMMUv3, powered on; outlives the monitor
  /// Who answers in the place of the specification; outlives the monitor. Null: it does.
  OtherSmmu* other_smmu = nullptr;
  /// Memory of the processes' own tables, behind the window.
  u64 process_bytes = u64{4} << 20;
  [[nodiscard]] u64 process_pa() const { return window_pa + window_bytes; }
  u64 users_pa = 0;  ///< memory of users of stage 2 domains; 0: behind all others'
};

/// The SMMU that `check` plays: what the driver meets in the ID registers.
spec::IdRegisters default_id_registers();

}  // namespace iommucheck::oracle
