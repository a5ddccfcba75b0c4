// SPDX-License-Identifier: MIT
// What calls on devices, bonds, PASIDs and io_mm make of the state. INTERFACE "Bind", "Exit",
// "PASID numbers", "Timeouts and removal".
#include "spec/sva/interface.h"

namespace iommucheck::spec::sva {

using records::Gone;

namespace {

constexpr bool ended(Status status) { return status == Status::ok || status == Status::etimedout; }

}  // namespace

/// The numbers at which the bind may make something reachable that was not.
Interface::Range Interface::bind_range(const Call& call) const {
  const u32 process = find_process(call.mm);
  if (process == 0 || !has_sva(call.device)) return {};
  const Device& device = devices_[call.device];
  const Range all{device.first_pasid, device.last_pasid};
  if ((call.flags & bind_further_pasid) != 0) return all;
  const u32 number = main_number(process);
  if (number == 0) return all;
  const u32 value = numbers_[number].value;
  return all.has(value) ? Range{value, value} : Range{};
}

void Interface::begin_sva(const Call& call, Pending& pending) {
  switch (call.kind) {
    case CallKind::bind_device: {
      if (permitted_bind(call, {}, nullptr).has(Status::ok)) {
        const Range range = bind_range(call);
        pending.first_pasid = range.first;
        pending.last_pasid = range.last;
      }
      pending.space = find_process(call.mm);
      pending.drvdata = call.drvdata;
      pending.flags = call.flags;
      if (pending.space == 0 || spaces_[pending.space].devices != 0) break;
      // What nobody followed while it was not bound.
      bool followed = false;
      for_each_pending([&](const Pending& other) {
        followed |=
            &other != &pending && other.space == pending.space && other.kind == pending.kind;
      });
      if (followed) break;
      forest_.clear(spaces_[pending.space].stale);
      forest_.clear(spaces_[pending.space].older);
      break;
    }
    case CallKind::unbind_device:
      if (permitted_unbind(call, {}, nullptr).has(Status::ok)) {
        pending.bond = find_bond(call.device, call.pasid);
      }
      break;
    case CallKind::unbind_dev_all:
    case CallKind::sva_device_shutdown:
      if (!permitted(call, {}).has(Status::ok)) pending.device = DeviceSetup::alone;
      break;
    case CallKind::sva_alloc_pasid:
      if (!permitted_alloc_private(call, {}).has(Status::ok)) break;
      pending.space = find(call.domain);
      pending.first_pasid = devices_[call.device].first_pasid;
      pending.last_pasid = devices_[call.device].last_pasid;
      break;
    case CallKind::sva_free_pasid:
      if (permitted_free_private(call, {}).has(Status::ok))
        pending.space = find_private(call.io_mm);
      break;
    case CallKind::sva_attach:
    case CallKind::sva_detach:
      if (permitted_link(call, {}).has(Status::ok)) pending.space = find_private(call.io_mm);
      break;
    default: break;
  }
}

void Interface::apply_sva(const Call& call, const Observed& observed, const Pending* begun) {
  trail_.set(changes_, changes_ + 1);
  switch (call.kind) {
    case CallKind::domain_get_attr:
    case CallKind::io_mm_get_attr: apply_get_attr(call, observed); break;
    case CallKind::pasid_alloc: apply_pasid_alloc(observed); break;
    case CallKind::pasid_free: apply_pasid_free(call, observed.status); break;
    case CallKind::sva_device_init: apply_init(call, observed.status); break;
    case CallKind::sva_device_shutdown: apply_shutdown(call, observed.status); break;
    case CallKind::bind_device: apply_bind(call, observed, begun); break;
    case CallKind::unbind_device: apply_unbind(call, observed.status); break;
    case CallKind::unbind_dev_all:
      if (ended(observed.status)) {
        end_all_of(call.device, Gone::by_another, observed.status == Status::etimedout);
      }
      break;
    case CallKind::io_mm_of: apply_io_mm_of(call, observed); break;
    case CallKind::sva_alloc_pasid: apply_alloc_private(call, observed); break;
    case CallKind::sva_free_pasid: apply_free_private(call, observed.status); break;
    case CallKind::io_mm_get_pasid: apply_get_pasid(call, observed); break;
    case CallKind::sva_attach:
    case CallKind::sva_detach: apply_link(call, observed.status); break;
    case CallKind::recover:
      if (observed.status == Status::ok) recovered();
      break;
    default: break;
  }
}

void Interface::apply_get_attr(const Call& call, const Observed& observed) {
  if (observed.status != Status::ok || call.attribute != attribute_ttbr0) return;
  const bool of_domain = call.kind == CallKind::domain_get_attr;
  const u32 space = of_domain ? find_paging(call.domain) : find_private(call.io_mm);
  if (space != 0 && spaces_[space].table != observed.value) {
    spaces_.edit(trail_, space).table = observed.value;
  }
}

void Interface::apply_pasid_alloc(const Observed& observed) {
  if (observed.status != Status::ok) return;
  take_number(static_cast<u32>(observed.value), NumberState::plain, 0);
}

void Interface::apply_pasid_free(const Call& call, Status status) {
  if (status == Status::ok) free_number(find_number(call.pasid));
}

void Interface::apply_init(const Call& call, Status status) {
  if (status != Status::ok) return;
  const Range range = device_range(call.device, call.min_pasid, call.max_pasid);
  Device& device = devices_.edit(trail_, call.device);
  device.initialised = 1;
  device.features = call.features;
  device.first_pasid = range.first;
  device.last_pasid = range.last;
  device.has_mm_exit = call.has_mm_exit ? 1 : 0;
}

void Interface::apply_shutdown(const Call& call, Status status) {
  if (!ended(status)) return;
  end_all_of(call.device, Gone::by_another, status == Status::etimedout);
  devices_.edit(trail_, call.device).initialised = 0;
}

// --- Bonds ---------------------------------------------------------------------------------------

u32 Interface::add_bond(u32 device, u32 number, u64 drvdata, BondState state) {
  const u32 bond = bonds_.allocate(trail_, {.drvdata = drvdata,
                                            .device = device,
                                            .number = number,
                                            .refs = 1,
                                            .state = state,
                                            .next = numbers_[number].bonds,
                                            .domain = devices_[device].domain});
  numbers_.edit(trail_, number).bonds = bond;
  if (is_callers(bonds_[bond])) unsay_done(device, numbers_[number].value);
  ++spaces_.edit(trail_, numbers_[number].space).devices;
  return bond;
}

/// INTERFACE "Bind". A time-out: it may be reached at a number that nobody knows.
void Interface::apply_bind(const Call& call, const Observed& observed, const Pending* begun) {
  const u32 process = find_process(call.mm);
  if (process == 0 || !ended(observed.status)) return;
  const bool further = (call.flags & bind_further_pasid) != 0;
  const u32 shared = further ? 0 : main_number(process);
  if (observed.status == Status::etimedout) {
    if (shared == 0) {
      const Device& device = devices_[call.device];
      if (spaces_[process].life == records::dead) return;
      add_unseen({.space = process,
                  .domain = device.domain,
                  .device = call.device,
                  .first = device.first_pasid,
                  .last = device.last_pasid,
                  .count = 1});
    } else if (find_bond(call.device, numbers_[shared].value) == 0) {
      add_bond(call.device, shared, call.drvdata, BondState::ghost);
    }
    return;
  }
  // Its handler was called already.
  if (begun != nullptr && (begun->bond != 0 || begun->gone != Gone::no)) return;
  const auto pasid = static_cast<u32>(observed.value);
  if (shared != 0) {
    if (const u32 bond = find_bond(call.device, pasid)) {
      ++bonds_.edit(trail_, bond).refs;
      return;
    }
  }
  u32 number = shared;
  if (number == 0) {
    number = take_number(pasid, NumberState::bound, process);
    if (further) numbers_.edit(trail_, number).further = 1;
  }
  BondState state = BondState::active;
  if (spaces_[process].life != records::living) {
    state = devices_[call.device].has_mm_exit != 0 ? BondState::owed : BondState::without;
  }
  add_bond(call.device, number, call.drvdata, state);
}

void Interface::apply_unbind(const Call& call, Status status) {
  if (!ended(status)) return;
  const u32 bond = find_bond(call.device, call.pasid);
  if (bond == 0) return;
  if (bonds_[bond].refs > 1) {
    --bonds_.edit(trail_, bond).refs;
  } else {
    end_bond(bond, Gone::by_another, status == Status::etimedout);
  }
}

void Interface::set_bond_state(u32 bond, BondState state) {
  if (bonds_[bond].state != state) bonds_.edit(trail_, bond).state = state;
}

/// For the caller it is gone. A time-out leaves a way to what it reached.
void Interface::end_bond(u32 bond, Gone gone, bool timed_out) {
  for (u64 rest = busy_; rest != 0; rest &= rest - 1) {
    Pending& pending = pending_[static_cast<u32>(std::countr_zero(rest))];
    if (pending.bond != bond) continue;
    trail_.save_object(pending);
    pending.bond = 0;
    pending.gone = gone;
  }
  const u32 number = bonds_[bond].number;
  say_done(bonds_[bond].device, numbers_[number].value);
  if (timed_out) {
    set_bond_state(bond, BondState::ghost);
  } else {
    remove_bond(bond);
  }
  settle_number(number);
}

void Interface::remove_bond(u32 bond) {
  const u32 number = bonds_[bond].number;
  const u32 next = bonds_[bond].next;
  if (numbers_[number].bonds == bond) {
    numbers_.edit(trail_, number).bonds = next;
  } else {
    u32 before = numbers_[number].bonds;
    while (bonds_[before].next != bond) before = bonds_[before].next;
    bonds_.edit(trail_, before).next = next;
  }
  const u32 process = numbers_[number].space;
  bonds_.edit(trail_, bond).number = 0;
  bonds_.release(trail_, bond);
  --spaces_.edit(trail_, process).devices;
  forget_process(process);
}

/// Without a bond that says otherwise the number is free, or in doubt after a time-out.
void Interface::settle_number(u32 number) {
  if (numbers_[number].state != NumberState::bound) return;
  bool ghosts = false;
  for (u32 b = numbers_[number].bonds; b != 0; b = bonds_[b].next) {
    if (is_callers(bonds_[b])) return;
    ghosts |= bonds_[b].state == BondState::ghost;
  }
  for (u32 b = numbers_[number].bonds; b != 0;) {
    const u32 next = bonds_[b].next;
    if (bonds_[b].state == BondState::ended) remove_bond(b);
    b = next;
  }
  if (ghosts) {
    doubt_number(number);
  } else {
    free_number(number);
  }
}

/// unbind_dev_all: all bonds and private PASIDs of the device, and what it was attached to.
void Interface::end_all_of(u32 device, Gone gone, bool timed_out) {
  for_each_bond([&](u32 i) {
    if (bonds_[i].device == device && is_callers(bonds_[i])) end_bond(i, gone, timed_out);
  });
  for_each_space([&](u32 i) {
    if (spaces_[i].owner != Owner::private_pasid || spaces_[i].life != records::living) return;
    if (spaces_[i].maker == device) {
      end_private(i, timed_out);
    } else if (has_link(spaces_[i], device)) {
      drop_link(i, device);
      if (spaces_[i].number != 0) say_done(device, numbers_[spaces_[i].number].value);
      if (timed_out) add_link(i, device, true);
    }
  });
}

/// A process is watched for as long as something of it may be reached.
void Interface::add_unseen(const Unseen& what) {
  bool known = false;
  for (auto i = static_cast<u32>(unseen_); i != 0; i = unseens_[i].next) {
    Unseen& record = unseens_[i];
    if (record.space != what.space || record.domain != what.domain ||
        record.device != what.device || record.first != what.first || record.last != what.last) {
      continue;
    }
    unseens_.edit(trail_, i).count += what.count;
    known = true;
  }
  if (known) return;
  Unseen record = what;
  record.next = static_cast<u32>(unseen_);
  trail_.set(unseen_, unseens_.allocate(trail_, record));
  if (what.space != 0 && spaces_[what.space].owner == Owner::process) {
    ++spaces_.edit(trail_, what.space).devices;
  }
}

void Interface::unwatch(const Unseen& record) {
  if (record.space == 0 || spaces_[record.space].owner != Owner::process) return;
  --spaces_.edit(trail_, record.space).devices;
  forget_process(record.space);
}

/// Recovery: nothing is reached any more that was gone for the caller.
void Interface::ghosts_end() {
  for_each_bond([&](u32 i) {
    if (bonds_[i].state == BondState::ghost) remove_bond(i);
  });
  for (u32 i = 1; i < numbers_.bound(); ++i) {
    if (numbers_[i].state == NumberState::doubtful) free_number(i);
  }
  for_each_space([&](u32 i) {
    for (u32 l = spaces_[i].links; l != 0;) {
      const u32 next = links_[l].next;
      if (links_[l].doubtful != 0) drop_link(i, links_[l].device);
      l = next;
    }
    if (spaces_[i].owner == Owner::process && spaces_[i].life == records::zombie) {
      spaces_.edit(trail_, i).life = records::dead;
      forget_process(i);
    }
  });
}

void Interface::ghosts_end_of_domain(u32 domain) {
  for_each_bond([&](u32 i) {
    if (bonds_[i].state != BondState::ghost || bonds_[i].domain != domain) return;
    const u32 number = bonds_[i].number;
    remove_bond(i);
    if (numbers_[number].state == NumberState::doubtful && numbers_[number].bonds == 0) {
      free_number(number);
    }
  });
}

// --- Private address spaces
// ------------------------------------------------------------------------

void Interface::apply_alloc_private(const Call& call, const Observed& observed) {
  if (!ended(observed.status)) return;
  const u32 domain = find(call.domain);
  const bool is_seen = observed.status == Status::ok && observed.pasid != pasid_unknown;
  const Device& device = devices_[call.device];
  Unseen unseen{.domain = domain,
                .device = call.device,
                .first = device.first_pasid,
                .last = device.last_pasid,
                .count = 1};
  if (observed.status != Status::ok) return add_unseen(unseen);
  const Space& parent = spaces_[domain];
  const u32 space = spaces_.allocate(trail_, {.handle = observed.value,
                                              .page_sizes = parent.page_sizes,
                                              .kind = static_cast<u32>(DomainKind::paging),
                                              .input_bits = parent.input_bits,
                                              .output_bits = parent.output_bits,
                                              .life = records::living,
                                              .owner = Owner::private_pasid,
                                              .domain = domain,
                                              .maker = call.device});
  forest_.erase(freed_io_mms_, observed.value, observed.value);
  forest_.insert(io_mms_, {.first = observed.value, .last = observed.value, .tag = 2 * space});
  if (is_seen) {
    const u32 number = take_number(observed.pasid, NumberState::private_pasid, space);
    spaces_.edit(trail_, space).number = number;
    unsay_done(call.device, observed.pasid);
  } else {
    unseen.space = space;
    unseen.count = 0;
    add_unseen(unseen);
  }
  if (per_device_tables_) add_link(space, call.device, false);
}

void Interface::apply_free_private(const Call& call, Status status) {
  if (ended(status)) end_private(find_private(call.io_mm), status == Status::etimedout);
}

void Interface::end_private(u32 space, bool timed_out) {
  const u64 handle = spaces_[space].handle;
  forest_.erase(io_mms_, handle, handle);
  forest_.insert(freed_io_mms_, {.first = handle, .last = handle});
  const u32 number = spaces_[space].number;
  if (number != 0) say_done(spaces_[space].maker, numbers_[number].value);
  if (timed_out) {
    if (number != 0) doubt_number(number);
    Space& record = spaces_.edit(trail_, space);
    record.life = records::zombie;
    record.handle = 0;
    quarantine_stale(space);
    return;
  }
  if (number != 0) {
    free_number(number);
  } else {
    drop_unseen([&](const Unseen& record) { return record.space == space; });
  }
  release_space(space);
}

/// Of one that was made without the number being seen.
void Interface::apply_get_pasid(const Call& call, const Observed& observed) {
  const u32 space = find_private(call.io_mm);
  if (observed.status != Status::ok || space == 0 || spaces_[space].number != 0) return;
  const u32 number =
      take_number(static_cast<u32>(observed.value), NumberState::private_pasid, space);
  spaces_.edit(trail_, space).number = number;
  unsay_done(spaces_[space].maker, numbers_[number].value);
  drop_unseen([&](const Unseen& record) { return record.space == space; });
}

void Interface::apply_io_mm_of(const Call& call, const Observed& observed) {
  const u32 number = find_number(call.pasid);
  if (observed.status != Status::ok || number == 0) return;
  if (numbers_[number].state != NumberState::bound || numbers_[number].io_mm != 0) return;
  numbers_.edit(trail_, number).io_mm = observed.value;
  forest_.erase(freed_io_mms_, observed.value, observed.value);
  forest_.insert(io_mms_, {.first = observed.value, .last = observed.value, .tag = 2 * number + 1});
}

void Interface::add_link(u32 space, u32 device, bool doubtful) {
  const u32 link = links_.allocate(
      trail_, {.device = device, .next = spaces_[space].links, .doubtful = doubtful ? 1U : 0U});
  spaces_.edit(trail_, space).links = link;
}

void Interface::drop_link(u32 space, u32 device) {
  u32 before = 0;
  for (u32 l = spaces_[space].links; l != 0; l = links_[l].next) {
    if (links_[l].device != device) {
      before = l;
      continue;
    }
    const u32 next = links_[l].next;
    if (before == 0) {
      spaces_.edit(trail_, space).links = next;
    } else {
      links_.edit(trail_, before).next = next;
    }
    links_.release(trail_, l);
    return;
  }
}

/// sva_attach, sva_detach. A time-out leaves either.
void Interface::apply_link(const Call& call, Status status) {
  if (!ended(status)) return;
  const u32 space = find_private(call.io_mm);
  const bool attaches = call.kind == CallKind::sva_attach;
  const bool timed_out = status == Status::etimedout;
  if (attaches && timed_out && has_link(spaces_[space], call.device)) return;
  drop_link(space, call.device);
  if (attaches || timed_out) add_link(space, call.device, timed_out);
  const u32 number = spaces_[space].number;
  if (number == 0) return;
  attaches ? unsay_done(call.device, numbers_[number].value)
           : say_done(call.device, numbers_[number].value);
}

}  // namespace iommucheck::spec::sva
