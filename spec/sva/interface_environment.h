// SPDX-License-Identifier: MIT
// What happens beside calls: devices come and go, processes change and exit, handlers and hooks
// run.
#pragma once

#include "spec/sva/interface_part.h"
#include "spec/sva/permitted.h"

namespace iommucheck::spec::sva {

class InterfaceEnvironment : protected InterfacePart {
 public:
  using InterfacePart::InterfacePart;

  // --- Events that are no calls of the alphabet ----------------------------------------------

  void device_added(u32 device);
  /// A device was waited for in vain, or answers again: INTERFACE "Timeouts and removal".
  void endpoint_silent(u32 stream_id);
  void endpoint_answers(u32 stream_id);
  /// Surprise removal: acts as mm_exit's return, unbind_dev_all and detach for the device.
  /// `timed_out`: what it could reach may still be reached.
  void device_removed(u32 device, bool timed_out);
  /// SMMUEN = 0 was acknowledged and everything was invalidated: no quarantine of a time-out is
  /// left. What waits for a handler stays.
  void recovered();

  // --- The environment: processes. Addresses and sizes are multiples of 4 KiB ------------------
  // Between a change and the end of the Invalidate that began after it: old or new, or a fault
  // where something was taken away. False, and nothing done: no such process, a bad range.

  /// `mm` is new and not 0.
  bool process_created(u64 mm, u32 input_bits = 48);
  /// Where nothing is mapped. Counts from now on: nothing caches that a page is not mapped.
  bool process_maps(u64 mm, u64 va, u64 bytes, u64 pa, u32 prot);
  bool process_unmaps(u64 mm, u64 va, u64 bytes);
  /// Pages that are mapped in the range get other rights, `prot` is not empty.
  bool process_protects(u64 mm, u64 va, u64 bytes, u32 prot);
  /// `child` is new: a copy; neither can write what the parent could.
  bool process_forks(u64 mm, u64 child);
  /// Its tables may be given back: Release returned, or it was never bound.
  bool process_gone(u64 mm);

  /// Invalidate of [va, va + bytes), or of everything: va = 0, bytes = 2^64 - 1.
  Ticket invalidate_begins(u64 mm, u64 va, u64 bytes);
  Verdict invalidate_ends(Ticket ticket, bool timed_out = false);

  /// Release: exit, exec. From here on a bind that begins fails, handlers are called.
  Ticket release_begins(u64 mm);
  /// The driver waits for a handler inside of it: by then it called all of them.
  [[nodiscard]] Verdict release_waits(Ticket ticket) const;
  /// A process that is not bound at the end had nothing to release.
  Verdict release_ends(Ticket ticket, bool timed_out = false);

  // --- The backend's hooks (hooks.h) -----------------------------------------------------------

  /// The backend called one, of the address space that the driver knows by that number.
  Verdict hook_called(Hook hook, u64 io_mm, u32 device, bool failed);
  /// How many mm_alloc has made and mm_free has not given back.
  [[nodiscard]] u32 hooked_io_mms() const;
  [[nodiscard]] u32 hooked_attachments() const;
  [[nodiscard]] const Hooks& hooks() const { return state().hooks; }

  // --- Handlers of device drivers --------------------------------------------------------------

  /// visit(device, pasid, drvdata, running) for each bond of the process, those with a handler that
  /// is still to be called (running = false) or has not returned (true) only.
  template <class Visit>
  void for_each_handler(u64 mm, Visit visit) const {
    const u32 process = state().find_process(mm);
    state().for_each_bond_of(process, [&](u32 i) {
      const Bond& bond = state().bonds[i];
      const bool running = bond.state == BondState::running || bond.state == BondState::overdue;
      if (!running && bond.state != BondState::owed) return;
      visit(bond.device, state().numbers[bond.number].value, bond.drvdata, running);
    });
  }
  /// A handler that was called there has not returned.
  [[nodiscard]] bool handler_runs(u32 device, u32 pasid) const {
    const u32 bond = state().find_bond(device, pasid);
    if (bond == 0) return false;
    const BondState its = state().bonds[bond].state;
    return its == BondState::running || its == BondState::overdue;
  }
  /// The driver called mm_exit.
  Verdict handler_called(u32 device, u32 pasid, u64 drvdata);
  /// It returned: ok is "done". Not ok: the number stays in quarantine until the device unbinds.
  Verdict handler_returned(u32 device, u32 pasid, Status status);
  /// The time that it may take is over; blames the caller. No effect without a running handler.
  Verdict bound_passes(u32 device, u32 pasid);
};

}  // namespace iommucheck::spec::sva
