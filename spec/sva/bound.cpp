// SPDX-License-Identifier: MIT
#include "spec/sva/bound.h"

#include "spec/sva/faults.h"
#include "spec/sva/layers.h"
#include "spec/sva/numbers.h"
#include "spec/sva/promise_words.h"

namespace iommucheck::spec::sva {

Stands reaches(const InterfaceState& s, const Bond& bond, const EntryTable& table, u32 device,
               bool with_calls) {
  // What a time-out left in a table is there still, whatever table its device has got since.
  if (bond.state == BondState::ghost && !table.own && bond.domain == table.domain) {
    return Stands::yes;
  }
  return stands(s, table, device, bond.device, bond.domain, with_calls);
}

bool may_have_ended(const InterfaceState& s, u32 index, const Pending* but) {
  const Bond& bond = s.bonds[index];
  u32 drops = 0;
  bool all = false;
  s.tickets.for_each([&](const Pending& pending) {
    if (&pending == but) return;
    const auto kind = static_cast<CallKind>(pending.kind);
    if (kind == CallKind::unbind_device && pending.bond == index) ++drops;
    if (!ends_bonds(kind) || kind == CallKind::unbind_device) return;
    const bool refused = kind == CallKind::detach && pending.space == 0;
    all |= pending.device == bond.device && !refused;
  });
  return all || drops >= bond.refs;
}

bool may_be_gone(const InterfaceState& s, u32 index, const Pending* but) {
  return s.bonds[index].state != BondState::running && may_have_ended(s, index, but);
}

/// A process's PASID, by the bonds through which the device reaches it.
void bound_promises(const InterfaceState& s, u32 device, const EntryTable& table, u32 number,
                    u64 iova, bool with_calls, Alternatives& out) {
  const u32 process = s.numbers[number].space;
  const u32 life = s.spaces[process].life;
  bool active = false;    // the process lives
  bool stopping = false;  // a handler is to be called or has not returned
  bool over = false;      // a handler said "done"
  bool held = false;      // nobody said "done" yet
  bool ghost = life == records::zombie;
  bool reached = false;
  bool may_end = with_calls && s.tickets.any();  // of all
  for (u32 b = s.numbers[number].bonds; b != 0; b = s.bonds[b].next) {
    const Bond& bond = s.bonds[b];
    const Stands there = reaches(s, bond, table, device, with_calls);
    if (there == Stands::no) continue;
    reached = true;
    if (there == Stands::maybe) {
      ghost = true;
      continue;
    }
    switch (bond.state) {
      case BondState::active: active = true; break;
      case BondState::owed:
      case BondState::running: stopping = true; break;
      case BondState::done:
      case BondState::ended: over = true; break;
      case BondState::overdue:
      case BondState::failed:
      case BondState::without: held = true; break;
      case BondState::ghost: ghost = true; break;
    }
    if (is_callers(bond) && may_end) may_end = may_have_ended(s, b);
  }
  if (!reached) {
    out.add(promise::nothing);
    return;
  }
  const bool exits = life == records::releasing;
  if (active || exits || ghost) {
    FaultKind faults = faults_of_processes(s, device, table);
    // What a time-out has left there waits or not, as it was before: what devices want may have
    // changed since.
    if (ghost && s.constants[device].can_wait) faults = FaultKind::may_wait;
    space_promises(s, process, iova, faults, with_calls, out);
  }
  if (exits) out.concerned |= with_calls;
  // A time-out of another device's bond leaves the table's entry where it is.
  const bool doubtful = ghost && !active;
  if (exits || doubtful || held) out.add(promise::quiet);
  // What said "done" is dead at the return of Release, and need not be there before; others may
  // hold the number for longer.
  const bool only_done = over && !stopping && !held && !active;
  if (only_done || doubtful) out.add(promise::nothing);
  if (only_done && !exits) out.add(promise::quiet);
  if (!may_end) return;
  out.concerned = true;
  out.add(promise::nothing);
  out.add(promise::quiet);
}

/// What a bind, sva_alloc_pasid or sva_attach in progress may have made reachable at the number.
void pending_number_promises(const InterfaceState& s, u32 device, const EntryTable& table,
                             u32 pasid, u64 iova, Alternatives& out) {
  const u32 number = s.find_number(pasid);
  const bool free = is_free_or_in_doubt(s, number);
  s.tickets.for_each([&](const Pending& pending) {
    const auto kind = static_cast<CallKind>(pending.kind);
    if (!may_reach(s, table, device, pending)) return;
    if (kind == CallKind::sva_attach) {
      if (number == 0 || pending.space == 0 || s.numbers[number].space != pending.space) return;
      out.concerned = true;
      space_promises(s, pending.space, iova, FaultKind::terminated, true, out);
      return;
    }
    if (!is_among(pasid, pending)) return;
    if (kind == CallKind::sva_alloc_pasid && free) {
      out.concerned = true;
      out.add({.state = State::unmapped});
    } else if (kind == CallKind::bind_device) {
      const bool its = !free && s.numbers[number].space == pending.space;
      if (!free && !its) return;
      const u32 life = s.spaces[pending.space].life;
      if (life != records::living && life != records::releasing) return;
      out.concerned = true;
      space_promises(s, pending.space, iova, faults_of_processes(s, device, table), true, out);
      if (life == records::releasing) out.add(promise::quiet);
    }
  });
}

}  // namespace iommucheck::spec::sva
