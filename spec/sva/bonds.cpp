// SPDX-License-Identifier: MIT
#include "spec/sva/bonds.h"

#include "spec/sva/done.h"
#include "spec/sva/spaces.h"
#include "spec/sva/tokens.h"

namespace iommucheck::spec::sva {

u32 add_bond(InterfaceState& s, u32 device, u32 number, u64 drvdata, BondState state) {
  const u32 bond = s.bonds.allocate(s.trail, {.drvdata = drvdata,
                                              .device = device,
                                              .number = number,
                                              .refs = 1,
                                              .state = state,
                                              .next = s.numbers[number].bonds,
                                              .domain = s.devices[device].domain});
  s.numbers.edit(s.trail, number).bonds = bond;
  if (is_callers(s.bonds[bond])) unsay_done(s, device, s.numbers[number].value);
  ++s.spaces.edit(s.trail, s.numbers[number].space).devices;
  return bond;
}

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

void set_bond_state(InterfaceState& s, u32 bond, BondState state) {
  if (s.bonds[bond].state != state) s.bonds.edit(s.trail, bond).state = state;
  if (!is_callers(s.bonds[bond])) bond_leaves_tokens(s, bond);
}

}  // namespace iommucheck::spec::sva
