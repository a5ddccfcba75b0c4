// SPDX-License-Identifier: MIT
#include "spec/sva/unbind.h"

#include "spec/sva/bond_ends.h"
#include "spec/sva/bound.h"
#include "spec/sva/devices.h"
#include "spec/sva/exit.h"

namespace iommucheck::spec::sva {

// --- unbind_device ---

/// INTERFACE "Bind", "Exit". One that waited for the handler says ok, whatever is left of the bond.
Permitted permitted_drop(const InterfaceState& s, const Call& call, Circumstances around,
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

/// Beside a call that ends it, and has not returned, either may be first.
Permitted permitted_unbind(const InterfaceState& s, const Call& call, Circumstances around,
                           const Pending* begun) {
  Permitted set = permitted_drop(s, call, around, begun);
  const u32 bond = s.device_exists(call.device) ? s.find_bond(call.device, call.pasid) : 0;
  if (bond != 0 && may_be_gone(s, bond, begun)) set.add(Reason::no_bond_there);
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

}  // namespace iommucheck::spec::sva
