// SPDX-License-Identifier: MIT
// What is known of the machine before the first call, and what a caller has to give back.
#pragma once

#include <string>
#include <vector>

#include "base/types.h"
#include "spec/sva/user_format.h"

namespace iommucheck::spec::sva {

struct DeviceSetup {
  static constexpr u32 alone = ~u32{0};
  std::vector<u32> stream_ids;
  u32 group = alone;    ///< devices with one number move together, and have no PASIDs
  bool present = true;  ///< false: device_added comes later
  u32 ssid_bits = 0;    ///< PASIDs that it can send are below 2^it; 0: none
  bool ats = false;
  bool stall = false;           ///< its accesses can wait
  bool pri = false;             ///< it asks for pages
  bool svm = true;              ///< of bind_task: a process's own table, by a PASID
  bool explicit_maps = true;    ///< a table of the task's own, which it walks by itself
  bool iommu = true;            ///< false: none behind it: ENODEV, its accesses pass untranslated
  u32 iommu_number = 0;         ///< which one is behind it, if there are several
  bool passes = true;           ///< the IOMMU can pass its accesses untranslated
  bool passes_at_pasid = true;  ///< and those at a PASID, where it can any device's
};

/// Which hooks of an address space at a PASID the backend has. INTERFACE "Hooks".
struct Hooks {
  bool mm_alloc = true;
  bool mm_free = true;
  bool mm_attach = true;
  bool mm_detach = true;

  /// Both of each pair, or neither of the first.
  [[nodiscard]] bool are_whole() const { return mm_attach && mm_detach && mm_alloc == mm_free; }
};

/// Whether the IOMMU marks in its tables what devices have written.
enum class DirtyHardware : u8 {
  none,
  open,  ///< it does, and a driver may not be able to use it
  present
};

struct Setup {
  std::vector<DeviceSetup> devices;
  /// A domain with tables beyond so many may be refused with ENOSPC: 8-bit ASIDs or VMIDs, 0 kept.
  u32 address_spaces = 255;
  u32 ssid_bits = 0;  ///< the IOMMU's; 0: it has no PASIDs
  /// Input addresses of a domain that stage 2 translates, which any paging domain may be, have no
  /// more; 64: all that may be asked for.
  u32 stage2_bits = 64;
  /// How wide PASIDs and input addresses are that the IOMMU itself can do, and whether others can
  /// walk its tables, its driver alone knows: it may refuse more, and has no more numbers.
  bool limits_are_the_drivers = false;
  bool walks_processes = true;  ///< it has the granule of processes' tables, 4 KiB
  /// PASID tables belong to devices: nobody else of the domain reaches what a device is bound to.
  bool per_device_tables = false;
  bool keeps_pasid_0 = true;  ///< SMMUv3 does; false: 0 is a number like any other
  /// False: an access of a device that is on no domain may pass untranslated as well.
  bool blocks_unattached = true;
  bool knows_privilege = true;  ///< false: PRIVILEGED asks for nothing
  /// While an attach leads a device to a domain it may find nothing mapped there, yet.
  bool fills_routes = false;
  bool routes_identity = false;  ///< an entry of a PASID may pass accesses untranslated
  /// An entry of a PASID may lead to a stage 2 domain, or a user's: PASIDs are the host's there
  /// too.
  bool routes_users = false;
  bool users_wait = true;  ///< what a user's own table ends may wait for an answer
  bool stalls = true;      ///< the IOMMU can hold faulting accesses of devices that can wait
  /// Faults at a process's PASID may wait, too, where sva_device_init has not asked for it.
  bool stalls_unasked = false;
  bool page_requests = true;  ///< it hands page requests to the driver
  DirtyHardware dirty = DirtyHardware::none;
  Hooks hooks{};
  /// What users' own routes and commands look like; null: there are none. Outlives the interface.
  const UserFormat* user_format = nullptr;
};

/// What is not given back. `handle` names a domain or io_mm (0: its handle is gone).
struct Leak {
  enum class Kind : u8 {
    domain,
    attached_device,
    not_synchronised,  ///< [first, last] of a domain or io_mm
    quarantined,       ///< the same, after a time-out
    io_mm,             ///< private, at `pasid`
    pasid,             ///< from pasid_alloc
    bond,              ///< of (device, pasid)
    quarantined_pasid,
    token,  ///< of `device`
    queue,  ///< the same: of faults
  };
  Kind kind;
  u64 handle = 0;
  u32 device = 0;
  u64 first = 0;
  u64 last = 0;
  u32 pasid = 0;
};

std::string leak_text(const Leak& leak);

/// How much is held, as a caller counts it.
struct Held {
  u32 domains = 0;
  u32 io_mms = 0;  ///< private ones
  u32 pasids = 0;  ///< plain, private, bound, quarantined
  u32 tokens = 0;
  u32 queues = 0;          ///< of faults
  u32 bonds = 0;           ///< (device, PASID) with a process, stopping ones too
  u32 process_io_mms = 0;  ///< PASIDs at which processes are, or were and are not given back
  /// Numbers of which a time-out left open whether they are still held; not in `pasids`.
  u32 doubtful_pasids = 0;
};

}  // namespace iommucheck::spec::sva
