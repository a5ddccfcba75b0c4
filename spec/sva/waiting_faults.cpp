// SPDX-License-Identifier: MIT
#include "spec/sva/waiting_faults.h"

#include "spec/sva/bond_ends.h"
#include "spec/sva/user_faults.h"

namespace iommucheck::spec::sva {

bool is_contested(const InterfaceState& s, const Waiting& fault) {
  if (s.tickets.overflowed()) return true;
  if (fault.user != 0) return may_end_users_fault(s, fault);
  const u32 number = s.find_number(fault.pasid);
  const u32 process = number == 0 ? 0 : s.numbers[number].space;
  bool contested = false;
  s.tickets.for_each([&](const Pending& pending) {
    const auto kind = static_cast<CallKind>(pending.kind);
    contested |= pending.kind == records::release_in_progress && pending.space == process;
    const bool of_device = ends_bonds(kind) || kind == CallKind::attach;
    contested |= of_device && s.moves_with(pending.device, fault.device);
    // The last of a domain takes the entry along.
    contested |= of_device && !s.per_device_tables;
    // A table of the RID's own has what it was bound to, and nothing else.
    contested |= kind == CallKind::attach_pasid && fault.bond == 0;
    contested |= kind == CallKind::fault_queue_close && pending.bond == fault.queue;
    contested |= kind == CallKind::fault_handler_set && pending.bond == fault.bond;
    contested |= kind == CallKind::recover;
  });
  return contested;
}

bool is_routed(const InterfaceState& s, u32 device, u32 pasid) {
  const u32 bond = s.find_bond(device, pasid);
  if (bond == 0 || s.bonds[bond].state != BondState::active) return false;
  const Space& process = s.spaces[s.numbers[s.bonds[bond].number].space];
  return process.owner == Owner::process && process.life == records::living &&
         s.devices[device].ghosts == 0 && s.unseen == 0;
}

bool is_unread(const Waiting& fault) {
  return fault.state == FaultState::unread || fault.state == FaultState::reported;
}

bool is_half_read(const Waiting& fault) {
  return fault.state == FaultState::unread && fault.told != 0;
}

bool may_be_in(const InterfaceState& s, u32 queue, const Waiting& fault) {
  if (fault.queue == queue) return true;
  if (queue == records::by_handler || fault.loose == 0) return false;
  return s.queues[queue].domain != 0 || s.queues[queue].device == fault.device;
}

bool is_users(const Waiting& fault) { return fault.user != 0 && fault.loose == 0; }

u32 reader_of(const InterfaceState& s, const Waiting& fault) {
  const bool handled = fault.bond != 0 && s.bonds[fault.bond].handled != 0;
  return handled ? records::by_handler : s.queue_of(fault.device);
}

namespace {

bool any_domain_has_queue(const InterfaceState& s) {
  for (u32 queue = 1; queue < s.queues.bound(); ++queue) {
    if (s.queues[queue].handle != 0 && s.queues[queue].domain != 0) return true;
  }
  return false;
}

}  // namespace

bool may_be_somebodys(const InterfaceState& s, const Waiting& fault) {
  if (fault.loose == 0) return false;
  return reader_of(s, fault) != 0 || any_domain_has_queue(s);
}

bool may_have_queue(const InterfaceState& s, u64 order) {
  bool may = false;
  s.for_each_waiting([&](u32 i) {
    const Waiting& fault = s.waitings[i];
    may |= fault.order == order && (fault.queue != 0 || may_be_somebodys(s, fault));
  });
  return may;
}

std::string place_text(u32 device, u32 pasid) {
  return "device " + std::to_string(device) +
         (pasid == without_pasid ? " without a PASID" : ", PASID " + std::to_string(pasid));
}

}  // namespace iommucheck::spec::sva
