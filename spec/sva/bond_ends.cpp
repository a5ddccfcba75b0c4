// SPDX-License-Identifier: MIT
#include "spec/sva/bond_ends.h"

#include "spec/sva/bonds.h"
#include "spec/sva/done.h"
#include "spec/sva/layers.h"
#include "spec/sva/links.h"
#include "spec/sva/numbers.h"
#include "spec/sva/spaces.h"
#include "spec/sva/unseen.h"
#include "spec/sva/walkers.h"

namespace iommucheck::spec::sva {

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

void end_private(InterfaceState& s, u32 space, bool timed_out) {
  const u64 handle = s.spaces[space].handle;
  s.forest.erase(s.io_mms, handle, handle);
  s.forest.insert(s.freed_io_mms, {.first = handle, .last = handle});
  forget_walkers(s, space);
  const u32 number = s.spaces[space].number;
  if (number != 0) say_done(s, s.spaces[space].maker, s.numbers[number].value);
  if (timed_out) {
    if (number != 0) doubt_number(s, number);
    Space& record = s.spaces.edit(s.trail, space);
    record.life = records::zombie;
    record.handle = 0;
    quarantine_stale(s, space);
    return;
  }
  if (number != 0) {
    free_number(s, number);
  } else {
    drop_unseen(s, [&](const Unseen& record) { return record.space == space; });
  }
  release_space(s, space);
}

}  // namespace iommucheck::spec::sva
