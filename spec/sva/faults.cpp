// SPDX-License-Identifier: MIT
#include "spec/sva/faults.h"

#include "spec/sva/nested.h"
#include "spec/sva/nested_promises.h"
#include "spec/sva/numbers.h"
#include "spec/sva/tables.h"
#include "spec/sva/unseen.h"

namespace iommucheck::spec::sva {

namespace {

bool wants_to_wait(const InterfaceState& s, u32 device) {
  return s.constants[device].can_wait && (s.devices[device].features & feature_iopf) != 0 &&
         s.devices[device].initialised != 0;
}

/// Whether its faults at a process's PASID may wait though sva_device_init has not asked for it:
/// stalls are a property of the entry, and a process's space stalls (INTERFACE "Faults"); page
/// requests have to be on.
bool may_stall(const InterfaceState& s, u32 device) {
  return s.stalls_unasked && s.constants[device].can_wait && !s.constants[device].asks;
}

/// Whether a call in progress may change which devices share a table, what they want of faults, or
/// who reads them: a handler goes with its bond.
bool minds_may_change(const InterfaceState& s) {
  bool may = false;
  s.tickets.for_each([&](const Pending& pending) {
    switch (static_cast<CallKind>(pending.kind)) {
      case CallKind::attach:
      case CallKind::attach_pasid:
      case CallKind::detach:
      case CallKind::sva_device_init:
      case CallKind::sva_device_shutdown:
      case CallKind::unbind_device:
      case CallKind::unbind_dev_all:
      case CallKind::fault_queue_close:
      case CallKind::fault_handler_set: may = true; break;
      default: break;
    }
  });
  return may;
}

/// Which devices share the domain's table: those that do, or those also of which a time-out has
/// left that open.
enum class Sharing : u8 { surely, perhaps };

bool shares_table_of(const InterfaceState& s, u32 device, u32 domain, Sharing sharing) {
  using records::OwnTable;
  const OwnTable own = s.devices[device].own_table;
  const bool shares = sharing == Sharing::perhaps ? own != OwnTable::yes : own == OwnTable::no;
  return s.devices[device].domain == domain && shares;
}

/// Whether somebody reads the faults of a device that shares the domain's table: a queue or a
/// handler of it is open. While its process exits a handler may have ended already.
bool is_told(const InterfaceState& s, u32 domain, Sharing sharing = Sharing::surely) {
  for (u32 i = 0; i < s.devices.size(); ++i) {
    if (shares_table_of(s, i, domain, sharing) && s.queue_of(i) != 0) return true;
  }
  bool told = false;
  s.for_each_bond([&](u32 i) {
    const Bond& bond = s.bonds[i];
    const bool open = bond.handled != 0 && (bond.state == BondState::active ||
                                            (sharing == Sharing::perhaps && is_callers(bond)));
    told |= open && shares_table_of(s, bond.device, domain, sharing);
  });
  return told;
}

/// Whether an attach in progress brings one whose faults wait, or are read.
bool one_comes_who_waits(const InterfaceState& s, u32 domain) {
  bool comes = false;
  s.tickets.for_each([&](const Pending& pending) {
    if (pending.kind != static_cast<u32>(CallKind::attach) || pending.space != domain) return;
    for (u32 i = 0; i < s.devices.size(); ++i) {
      if (!s.moves_with(pending.device, i)) continue;
      comes |= wants_to_wait(s, i) || s.queue_of(i) != 0;
    }
  });
  return comes;
}

bool meets_by_time_out(const InterfaceState& s, u32 device, u32 domain) {
  for (u32 g = s.devices[device].ghosts; g != 0; g = s.ghosts[g].next) {
    if (s.ghosts[g].domain == domain) return true;
  }
  return false;
}

}  // namespace

namespace {

bool never_waits(const InterfaceState& s, u32 device) {
  return !s.constants[device].can_wait && s.constants[device].ssid_bits != 0;
}

/// A device that may share the domain's table, and at whose faults nobody waits.
bool has_who_never_waits(const InterfaceState& s, u32 domain) {
  for (u32 i = 0; i < s.devices.size(); ++i) {
    const bool on_it = s.devices[i].domain == domain || meets_by_time_out(s, i, domain);
    const bool own = s.devices[i].own_table == records::OwnTable::yes;
    if (on_it && !own && never_waits(s, i)) return true;
  }
  return false;
}

}  // namespace

/// Whether faults that somebody reads would not wait if the device came to share the domain's
/// table: those of others there, or its own. INTERFACE "Faults".
bool would_silence(const InterfaceState& s, u32 device, u32 domain) {
  if (s.per_device_tables) return false;
  if (never_waits(s, device)) return is_told(s, domain, Sharing::perhaps);
  return s.queue_of(device) != 0 && has_who_never_waits(s, domain);
}

/// Whether a device that shares the domain's table keeps faults of `device` there from waiting, so
/// that nobody could read them. INTERFACE "Faults".
bool is_silenced(const InterfaceState& s, u32 device) {
  const u32 domain = s.devices[device].domain;
  if (s.per_device_tables || s.devices[device].own_table == records::OwnTable::yes) return false;
  // What kept them from waiting may be there still where an attach_pasid of its own timed out.
  bool silenced =
      has_who_never_waits(s, domain) || s.devices[device].own_table == records::OwnTable::either;
  // Or one that is bound and has not asked for it.
  s.for_each_bond([&](u32 i) {
    silenced |= s.bonds[i].domain == domain && !wants_to_wait(s, s.bonds[i].device);
  });
  return silenced && !is_told(s, domain);
}

std::optional<bool> requests_are_on(const InterfaceState& s, u32 device) {
  if (!s.constants[device].asks) return true;
  const Device& its = s.devices[device];
  bool may_change = false;
  s.tickets.for_each([&](const Pending& pending) {
    if (pending.device != device) return;
    switch (static_cast<CallKind>(pending.kind)) {
      case CallKind::sva_device_init:
      case CallKind::sva_device_shutdown:
      case CallKind::fault_queue_open:
      case CallKind::fault_queue_respond:
      case CallKind::fault_handler_set: may_change = true; break;
      default: break;
    }
  });
  if (may_change || its.requests == records::Requests::either) return std::nullopt;
  return wants_to_wait(s, device) && its.requests == records::Requests::on;
}

namespace {

FaultKind faults_at_entry(const InterfaceState& s, u32 device, const EntryTable& table);

}  // namespace

/// A device that asks for pages has to want that; where it does the table decides.
FaultKind faults_of_processes(const InterfaceState& s, u32 device, const EntryTable& table) {
  const std::optional<bool> asks = requests_are_on(s, device);
  if (asks && !*asks) return FaultKind::terminated;
  const FaultKind faults = faults_at_entry(s, device, table);
  return asks || faults == FaultKind::terminated ? faults : FaultKind::may_wait;
}

namespace {

/// Whether faults at a process's PASID wait is a property of the table's entry, so where the
/// devices of a domain share it and are not of one mind, either is right, unless somebody reads
/// them.
FaultKind faults_at_entry(const InterfaceState& s, u32 device, const EntryTable& table) {
  const u32 domain = table.domain;
  if (table.own) {
    if (wants_to_wait(s, device)) return FaultKind::waits;
    // It was initialised anew without, and the entry is as it was for a queue of before.
    const bool read = s.constants[device].can_wait && s.devices[device].was_read != 0;
    return read || may_stall(s, device) ? FaultKind::may_wait : FaultKind::terminated;
  }
  bool any = false;
  bool all = true;
  bool settled = true;
  for (u32 i = 0; i < s.devices.size(); ++i) {
    // A device that a time-out left between domains may be on it, also one that is gone.
    const bool left_there = meets_by_time_out(s, i, domain);
    settled &= !left_there;
    const bool on_it = s.devices[i].domain == domain || left_there;
    const records::OwnTable own = s.devices[i].own_table;
    if (!on_it || own == records::OwnTable::yes) continue;
    // Nor is it known of one whose attach_pasid timed out whether it shares the table still.
    settled &= own == records::OwnTable::no;
    const bool wants = wants_to_wait(s, i) && s.devices[i].domain == domain;
    // Whoever closes a queue does not say that the entry is to be changed.
    any |= wants || s.devices[i].was_read != 0 || may_stall(s, i);
    all &= wants && own == records::OwnTable::no;
  }
  if (any && all) return minds_may_change(s) ? FaultKind::may_wait : FaultKind::waits;
  if (is_told(s, domain)) {
    if (!s.constants[device].can_wait) return FaultKind::terminated;
    // What a call stored that timed out may not be known to the IOMMU before recovery.
    return minds_may_change(s) || !settled ? FaultKind::may_wait : FaultKind::waits;
  }
  any |= one_comes_who_waits(s, domain);
  return any ? FaultKind::may_wait : FaultKind::terminated;
}

/// Whether sva_alloc_pasid in progress may be given the number: a private space, whose faults end
/// at once.
bool private_one_may_come(const InterfaceState& s, u32 device, u32 domain, u32 pasid) {
  bool may = false;
  s.tickets.for_each([&](const Pending& pending) {
    if (static_cast<CallKind>(pending.kind) != CallKind::sva_alloc_pasid) return;
    if (!is_among(pasid, pending) || !is_free_or_in_doubt(s, s.find_number(pasid))) return;
    for_each_table(s, device, domain, true,
                   [&](const EntryTable& table) { may |= may_reach(s, table, device, pending); });
  });
  return may;
}

}  // namespace

FaultKind faults_of(const InterfaceState& s, u32 device, Substream at) {
  if (!s.device_exists(device)) return FaultKind::terminated;
  const bool users = !s.routes_users && parent_of(s, s.devices[device].domain) != 0;
  if (users) return faults_of_users_route(s, device, s.devices[device].domain, at);
  if (!at.present) return FaultKind::terminated;
  const u32 number = s.find_number(at.number);
  const u32 domain = s.devices[device].domain;
  bool unseen = false;
  FaultKind faults = FaultKind::terminated;
  bool first = true;
  for_each_table(s, device, domain, true, [&](const EntryTable& table) {
    s.for_each_unseen([&](const Unseen& record) {
      const bool is_process = record.space != 0 && s.spaces[record.space].owner == Owner::process;
      unseen |= is_process && is_there(s, record, device, table, at.number);
    });
    const FaultKind its = faults_of_processes(s, device, table);
    faults = first || its == faults ? its : FaultKind::may_wait;
    first = false;
  });
  if (unseen && s.constants[device].can_wait) return FaultKind::may_wait;
  if (number == 0 || s.numbers[number].space == 0 ||
      s.spaces[s.numbers[number].space].owner != Owner::process) {
    return FaultKind::terminated;
  }
  if (faults != FaultKind::waits) return faults;
  return private_one_may_come(s, device, domain, at.number) ? FaultKind::may_wait : faults;
}

}  // namespace iommucheck::spec::sva
