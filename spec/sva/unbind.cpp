// SPDX-License-Identifier: MIT
#include "spec/sva/unbind.h"

#include "spec/sva/devices.h"
#include "spec/sva/duties.h"
#include "spec/sva/exit.h"
#include "spec/sva/faults.h"
#include "spec/sva/layers.h"
#include "spec/sva/pasids.h"
#include "spec/sva/private.h"
#include "spec/sva/processes.h"
#include "spec/sva/promises.h"
#include "spec/sva/tasks.h"

namespace iommucheck::spec::sva {

// --- The end of a bond ---

/// Calls that wait for the bond's handler see it gone.
void bond_is_gone(InterfaceState& s, u32 bond, Gone how) {
  s.tickets.edit_if([&](const Pending& pending) { return pending.bond == bond; },
                    [&](Pending& pending) {
                      pending.bond = 0;
                      pending.gone = how;
                    });
}

void remove_bond(InterfaceState& s, u32 bond) {
  bond_leaves_tokens(s, bond);
  const u32 number = s.bonds[bond].number;
  const u32 next = s.bonds[bond].next;
  if (s.numbers[number].bonds == bond) {
    s.numbers.edit(s.trail, number).bonds = next;
  } else {
    u32 before = s.numbers[number].bonds;
    while (s.bonds[before].next != bond) before = s.bonds[before].next;
    s.bonds.edit(s.trail, before).next = next;
  }
  const u32 process = s.numbers[number].space;
  s.bonds.edit(s.trail, bond).number = 0;
  s.bonds.release(s.trail, bond);
  --s.spaces.edit(s.trail, process).devices;
  forget_process(s, process);
}

/// Without a bond that says otherwise the number is free, or in doubt after a time-out.
void settle_number(InterfaceState& s, u32 number) {
  if (s.numbers[number].state != NumberState::bound) return;
  bool ghosts = false;
  for (u32 b = s.numbers[number].bonds; b != 0; b = s.bonds[b].next) {
    if (is_callers(s.bonds[b])) return;
    ghosts |= s.bonds[b].state == BondState::ghost;
  }
  for (u32 b = s.numbers[number].bonds; b != 0;) {
    const u32 next = s.bonds[b].next;
    if (s.bonds[b].state == BondState::ended) remove_bond(s, b);
    b = next;
  }
  if (ghosts) {
    doubt_number(s, number);
  } else {
    free_number(s, number);
  }
}

void set_bond_state(InterfaceState& s, u32 bond, BondState state) {
  if (s.bonds[bond].state != state) s.bonds.edit(s.trail, bond).state = state;
  if (!is_callers(s.bonds[bond])) bond_leaves_tokens(s, bond);
}

namespace {

/// For the caller it is gone. A time-out leaves a way to what it reached.
void end_bond(InterfaceState& s, u32 bond, Gone gone, bool timed_out) {
  bond_is_gone(s, bond, gone);
  const u32 number = s.bonds[bond].number;
  say_done(s, s.bonds[bond].device, s.numbers[number].value);
  if (timed_out) {
    set_bond_state(s, bond, BondState::ghost);
  } else {
    remove_bond(s, bond);
  }
  settle_number(s, number);
}

}  // namespace

/// unbind_dev_all: all bonds and private PASIDs of the device, and what it was attached to.
void end_all_of(InterfaceState& s, u32 device, Gone gone, bool timed_out) {
  s.for_each_bond([&](u32 i) {
    if (s.bonds[i].device == device && is_callers(s.bonds[i])) end_bond(s, i, gone, timed_out);
  });
  s.for_each_space([&](u32 i) {
    if (s.spaces[i].owner != Owner::private_pasid || s.spaces[i].life != records::living) return;
    if (s.spaces[i].maker == device) {
      end_private(s, i, timed_out);
    } else if (s.is_linked(s.spaces[i], device)) {  // not what an earlier time-out left
      drop_link(s, i, device);
      if (s.spaces[i].number != 0) say_done(s, device, s.numbers[s.spaces[i].number].value);
      if (timed_out) add_link(s, i, device, true);
    }
  });
}

// --- unbind_device ---

/// INTERFACE "Bind", "Exit". One that waited for the handler says ok, whatever is left of the bond.
Permitted permitted_unbind(const InterfaceState& s, const Call& call, Circumstances around,
                           const Pending* begun) {
  Permitted set;
  const u32 bond = s.device_exists(call.device) ? s.find_bond(call.device, call.pasid) : 0;
  const Gone gone = begun == nullptr ? Gone::no : begun->gone;
  const bool own = is_inside(s, call) && call.context.pasid == call.pasid;
  judge_device(s, call, set);
  if (own) set.add(Reason::waits_for_itself);
  if (gone != Gone::no) set.add(Reason::it_waited_for_the_handler);
  if (gone == Gone::by_exit) return set;
  if (bond == 0) set.add(Reason::no_bond_there);
  if (!set.empty()) return set;
  set.add(Reason::the_device_is_bound_there);
  may_time_out(set, around);
  return set;
}

void begin_unbind(const InterfaceState& s, const Call& call, Pending& pending) {
  if (permitted_unbind(s, call, {}, nullptr).has(Status::ok)) {
    pending.bond = s.find_bond(call.device, call.pasid);
  }
}

void apply_unbind(InterfaceState& s, const Call& call, Status status) {
  if (!ended(status)) return;
  const u32 bond = s.find_bond(call.device, call.pasid);
  if (bond == 0) return;
  if (s.bonds[bond].refs > 1) {
    --s.bonds.edit(s.trail, bond).refs;
  } else {
    end_bond(s, bond, Gone::by_another, status == Status::etimedout);
  }
}

// --- unbind_dev_all ---

/// INTERFACE "sva_device_init": without init ok, nothing. "Exit": not from inside its own handler.
Permitted permitted_unbind_all(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  judge_device(s, call, set);
  if (!set.empty()) return set;
  if (is_inside(s, call)) {
    set.add(Reason::waits_for_itself);
    // That one may be gone already.
    if (s.find_bond(call.context.device, call.context.pasid) == 0) set.add(Reason::done);
    return set;
  }
  set.add(Reason::done);
  may_time_out(set, around);
  return set;
}

void begin_unbind_all(const InterfaceState& s, const Call& call, Pending& pending) {
  if (!permitted_unbind_all(s, call, {}).has(Status::ok)) pending.device = DeviceSetup::alone;
}

void apply_unbind_all(InterfaceState& s, const Call& call, Status status) {
  if (!ended(status)) return;
  end_all_of(s, call.device, Gone::by_another, status == Status::etimedout);
}

// --- Promise ---

Stands reaches(const InterfaceState& s, const Bond& bond, const EntryTable& table, u32 device,
               bool with_calls) {
  // What a time-out left in a table is there still, whatever table its device has got since.
  if (bond.state == BondState::ghost && !table.own && bond.domain == table.domain) {
    return Stands::yes;
  }
  return stands(s, table, device, bond.device, bond.domain, with_calls);
}

bool may_have_ended(const InterfaceState& s, u32 index) {
  const Bond& bond = s.bonds[index];
  u32 drops = 0;
  bool all = false;
  s.tickets.for_each([&](const Pending& pending) {
    const auto kind = static_cast<CallKind>(pending.kind);
    if (kind == CallKind::unbind_device && pending.bond == index) ++drops;
    if (!ends_bonds(kind) || kind == CallKind::unbind_device) return;
    const bool refused = kind == CallKind::detach && pending.space == 0;
    all |= pending.device == bond.device && !refused;
  });
  return all || drops >= bond.refs;
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

}  // namespace iommucheck::spec::sva
