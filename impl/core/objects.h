// SPDX-License-Identifier: MIT
// Who reaches what at which PASID. All of it in pools of the arena; objects name each other by
// handle, and whoever waits looks them up again. What belongs to a process, a device, an io_mm or a
// table is in a list of its own, so that nothing costs more for what others have.
#pragma once

#include "base/types.h"
#include "impl/core/space.h"
#include "impl/platform/list.h"
#include "include/iommucheck/driver.h"

namespace iommucheck::impl {

/// Whose table an entry stands in: a domain's, which its devices share, or one device's own.
struct Holder {
  static constexpr u32 shared = ~u32{0};
  iommucheck_handle domain = 0;  // 0: of a device
  u32 device = shared;

  bool is_own() const { return device != shared; }
  friend bool operator==(const Holder&, const Holder&) = default;
};

/// An io_mm's entry in a table.
struct Use {
  bool used = false;
  u32 index = 0;
  u32 generation = 0;
  iommucheck_handle io_mm = 0;
  Holder holder;
  bool waits = false;
  bool quiet = false;  // the process is dying
  bool dead = false;   // cleared, and an invalidation has timed out
  bool placed = true;  // the table has a place for it
  Link of_io_mm;
  Link of_holder;
  Link of_process;  // private ones are in no such list
};
using UsesOfHolder = List<Use, &Use::of_holder>;

/// A device that was bound to an io_mm of a process, until its driver has said "done".
struct Bond {
  bool used = false;
  u32 index = 0;
  u32 generation = 0;
  u32 device = 0;
  iommucheck_handle io_mm = 0;
  u32 references = 0;
  u64 drvdata = 0;
  u64 handler = 0;    // context of the mm_exit that runs; 0: none
  bool done = false;  // it has returned 0: the bond goes when mm_release returns, or by unbind
  bool has_fault_handler = false;
  u64 fault_word = 0;  // of that handler
  Link of_io_mm;
  Link of_device;
};

/// One PASID with an address space behind it, a process's or a private one.
struct IoMm {
  bool used = false;
  u32 index = 0;
  u32 generation = 0;
  u32 pasid = 0;
  iommucheck_handle process = 0;  // 0: private
  bool further = false;           // made for one device, never given by a plain bind
  bool gone = false;              // private: freed by its caller, held by a time-out
  u32 device = 0;                 // private: who made it
  Space* space = nullptr;         // private: its own
  List<Use, &Use::of_io_mm> uses;
  List<Bond, &Bond::of_io_mm> bonds;
  Link of_process;
  Link of_device;                     // private: of who made it
  iommucheck_handle next_of_key = 0;  // in the index of numbers
  u64 key() const { return pasid; }
};

/// A process address space with at least one PASID. Its tag is pinned until nothing can carry it:
/// as long as this lives, or after its exit until its last use is gone.
struct Process {
  bool used = false;
  u32 index = 0;
  u32 generation = 0;
  bool dying = false;  // mm_release has begun: no bond is added any more
  bool ended = false;  // it has returned: the handle may be another process's
  bool pinned = false;
  u32 users = 0;                // io_mms, and calls that wait
  iommucheck_handle plain = 0;  // the io_mm that a plain bind gives
  iommucheck_mm mm{};
  Tag tag;
  List<IoMm, &IoMm::of_process> io_mms;
  List<Use, &Use::of_process> uses;
  iommucheck_handle next_of_key = 0;  // in the index of processes
  u64 key() const { return mm.mm; }
};

/// What bind_task gave: a reference on a bond, or a table of its own that the device walks itself.
struct Task {
  bool used = false;
  u32 index = 0;
  u32 generation = 0;
  u32 device = 0;
  iommucheck_handle bond = 0;    // 0: explicit
  u32 pasid = 0;                 // of the bond
  u64 table_pa = 0;              // of the bond's process
  iommucheck_handle master = 0;  // explicit: the domain whose format its table has
  Space* space = nullptr;
};

/// The number by which the user of an outer domain calls a device.
struct VirtualDevice {
  bool used = false;
  u32 index = 0;
  u32 generation = 0;
  u32 device = 0;
  u32 number = 0;
  Link of_parent;
};

/// sva_device_init, and what followed it.
struct SvaDevice {
  bool ready = false;
  bool has_mm_exit = false;
  u32 features = 0;
  u32 min_pasid = 0;
  u32 max_pasid = 0;
  u32 fault_handlers = 0;  // that its bonds have
  List<Bond, &Bond::of_device> bonds;
  // What a time-out has left stays in these, whatever becomes of the device.
  List<IoMm, &IoMm::of_device> private_io_mms;  // that it has made
  UsesOfHolder uses;                            // of the device's own table
};

}  // namespace iommucheck::impl
