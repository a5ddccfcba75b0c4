// SPDX-License-Identifier: MIT
#include "spec/sva/bind.h"

#include "spec/sva/bonds.h"
#include "spec/sva/bound.h"
#include "spec/sva/devices.h"
#include "spec/sva/hooks.h"
#include "spec/sva/layers.h"
#include "spec/sva/nested.h"
#include "spec/sva/numbers.h"
#include "spec/sva/private.h"
#include "spec/sva/promises.h"
#include "spec/sva/spaces.h"
#include "spec/sva/unseen.h"

namespace iommucheck::spec::sva {

// --- bind_device ---

/// INTERFACE "Bind", "Exit", "Errors and their order".
Permitted permitted_bind(const InterfaceState& s, const Call& call, Circumstances around,
                         const Pending* begun) {
  Permitted set;
  const bool was_bound = begun != nullptr && (begun->bond != 0 || begun->gone != Gone::no);
  if (was_bound && around.hooks.failed == Status::ok) {
    set.add(Reason::its_mm_exit_was_called, ValueRule::one_of);
    set.add_value(begun->first_pasid, "the number of its mm_exit");
    return set;
  }
  judge_device(s, call, set);
  if ((call.flags & ~bind_further_pasid) != 0) set.add(Reason::an_unknown_flag);
  const bool has_device = s.device_has_iommu(call.device);
  if (has_device) {
    const u32 domain = s.devices[call.device].domain;
    if (domain == 0 || s.spaces[domain].kind != static_cast<u32>(DomainKind::paging)) {
      set.add(Reason::the_device_has_no_paging_domain);
    }
    // INTERFACE "Attach": it excludes the host's PASID calls.
    if (has_users_pasid_table(s, domain)) set.add(Reason::the_user_has_the_pasid_table);
    if (!s.has_sva(call.device)) set.add(Reason::without_sva_device_init);
  }
  const bool hooks_work = judge_hooks(s, around, set);
  const u32 process = s.find_process(call.mm);
  if (process == 0) {
    set.add(call.mm == 0 ? Reason::no_process_given : Reason::no_such_process);
    return set;
  }
  const u32 life = s.spaces[process].life;
  const bool dies = life != records::living;
  if (dies) set.add(Reason::the_process_is_dead_or_dying);
  if (!s.walks_processes) set.add(Reason::it_cannot_walk_the_processs_table);
  if (!has_device || set.has(Status::einval) || !hooks_work) return set;
  // One that began before Release may still do it, and gets its mm_exit.
  const bool began_before = begun != nullptr && begun->first_pasid <= begun->last_pasid;
  if (dies && !(life == records::releasing && began_before)) return set;

  const Device& device = s.devices[call.device];
  const Range range{device.first_pasid, device.last_pasid};
  const bool further = (call.flags & bind_further_pasid) != 0;
  const u32 shared = further ? 0 : s.main_number(process);
  if (shared != 0) {
    const u32 value = s.numbers[shared].value;
    if (range.has(value)) {
      set.add(Reason::done, ValueRule::one_of);
      set.add_value(value, "the process's number");
    } else {
      set.add(Reason::process_number_out_of_range);
    }
  } else {
    judge_new_number(s, range, set);
  }
  if (address_spaces_may_be_used_up(s)) {
    set.add(Reason::no_address_space_left);
  }
  may_lack_memory(set, around);
  may_time_out(set, around);
  return set;
}

namespace {

/// The numbers at which the bind may make something reachable that was not.
Range bind_range(const InterfaceState& s, const Call& call) {
  const u32 process = s.find_process(call.mm);
  if (process == 0 || !s.has_sva(call.device)) return {};
  const Device& device = s.devices[call.device];
  const Range all{device.first_pasid, device.last_pasid};
  if ((call.flags & bind_further_pasid) != 0) return all;
  const u32 number = s.main_number(process);
  if (number == 0) return all;
  const u32 value = s.numbers[number].value;
  return all.has(value) ? Range{value, value} : Range{};
}

}  // namespace

void begin_bind(InterfaceState& s, const Call& call, Pending& pending) {
  if (permitted_bind(s, call, {}, nullptr).has(Status::ok)) {
    const Range range = bind_range(s, call);
    pending.first_pasid = range.first;
    pending.last_pasid = range.last;
  }
  pending.space = s.find_process(call.mm);
  pending.drvdata = call.drvdata;
  pending.flags = call.flags;
  if (pending.space == 0 || s.spaces[pending.space].devices != 0) return;
  // What nobody followed while it was not bound.
  bool followed = false;
  s.tickets.for_each([&](const Pending& other) {
    followed |= &other != &pending && other.space == pending.space && other.kind == pending.kind;
  });
  if (followed) return;
  clear_stale(s, pending.space);
}

/// INTERFACE "Bind". A time-out: it may be reached at a number that nobody knows.
void apply_bind(InterfaceState& s, const Call& call, const Observed& observed,
                const Pending* begun) {
  const u32 process = s.find_process(call.mm);
  if (process == 0 || !ended(observed.status)) return;
  const bool further = (call.flags & bind_further_pasid) != 0;
  const u32 shared = further ? 0 : s.main_number(process);
  if (observed.status == Status::etimedout) {
    if (shared == 0) {
      const Device& device = s.devices[call.device];
      if (s.spaces[process].life == records::dead) return;
      add_unseen(s, {.space = process,
                     .domain = device.domain,
                     .device = call.device,
                     .first = device.first_pasid,
                     .last = device.last_pasid,
                     .count = 1});
    } else if (s.find_bond(call.device, s.numbers[shared].value) == 0) {
      add_bond(s, call.device, shared, call.drvdata, BondState::ghost);
    }
    return;
  }
  // Its handler was called already.
  if (begun != nullptr && (begun->bond != 0 || begun->gone != Gone::no)) return;
  const auto pasid = static_cast<u32>(observed.value);
  if (shared != 0) {
    if (const u32 bond = s.find_bond(call.device, pasid)) {
      ++s.bonds.edit(s.trail, bond).refs;
      return;
    }
  }
  u32 number = shared;
  if (number == 0) {
    number = take_number(s, pasid, NumberState::bound, process);
    if (further) s.numbers.edit(s.trail, number).further = 1;
  }
  BondState state = BondState::active;
  if (s.spaces[process].life != records::living) {
    state = s.devices[call.device].has_mm_exit != 0 ? BondState::owed : BondState::without;
  }
  add_bond(s, call.device, number, call.drvdata, state);
}

// --- Asked ---

/// INTERFACE "Exit": drvdata is found until the bond is gone.
Permitted permitted_drvdata(const InterfaceState& s, const Call& call) {
  Permitted set;
  judge_device(s, call, set);
  const u32 bond = s.device_exists(call.device) ? s.find_bond(call.device, call.pasid) : 0;
  if (bond == 0 || may_be_gone(s, bond)) set.add(Reason::no_such_bond);
  if (bond == 0) return set;
  set.add(Reason::done, ValueRule::one_of);
  set.add_value(s.bonds[bond].drvdata, "the word given at bind");
  return set;
}

/// What the device reaches through its domain without having asked for it may be named or not.
Permitted permitted_io_mm_of(const InterfaceState& s, const Call& call) {
  Permitted set;
  judge_device(s, call, set);
  const u32 number = s.find_number(call.pasid);
  const bool reached = number != 0 && s.device_has_iommu(call.device) &&
                       s.numbers[number].state != NumberState::plain &&
                       s.numbers[number].state != NumberState::doubtful &&
                       may_reach(s, call.device, number);
  const bool is_private = number != 0 && s.numbers[number].state == NumberState::private_pasid;
  bool own = false;
  if (reached && is_private) {
    const Space& space = s.spaces[s.numbers[number].space];
    own = s.per_device_tables ? s.is_linked(space, call.device) : space.maker == call.device;
    own = own && !may_be_gone_private(s, s.numbers[number].space, call.device);
  } else if (reached) {
    // While only the number of a dead process is held, there is an io_mm or not.
    const u32 bond = s.find_bond(call.device, call.pasid);
    own = bond != 0 && !may_be_gone(s, bond) &&
          s.spaces[s.numbers[number].space].life == records::living;
  }
  if (!own) set.add(Reason::the_device_has_nothing_there);
  if (!reached) return set;
  const u64 handle =
      is_private ? s.spaces[s.numbers[number].space].handle : s.numbers[number].io_mm;
  set.add(Reason::done, handle == 0 ? ValueRule::new_handle : ValueRule::one_of);
  if (handle != 0) set.add_value(handle, "the io_mm there");
  return set;
}

void apply_io_mm_of(InterfaceState& s, const Call& call, const Observed& observed) {
  const u32 number = s.find_number(call.pasid);
  if (observed.status != Status::ok || number == 0) return;
  if (s.numbers[number].state != NumberState::bound || s.numbers[number].io_mm != 0) return;
  s.numbers.edit(s.trail, number).io_mm = observed.value;
  s.forest.erase(s.freed_io_mms, observed.value, observed.value);
  s.forest.insert(s.io_mms,
                  {.first = observed.value, .last = observed.value, .tag = 2 * number + 1});
}

}  // namespace iommucheck::spec::sva
