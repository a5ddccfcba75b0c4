// SPDX-License-Identifier: MIT
#include "spec/sva/exit.h"

#include <utility>

#include "base/text.h"
#include "spec/rules/interface.h"
#include "spec/sva/bond_ends.h"
#include "spec/sva/bonds.h"
#include "spec/sva/bound.h"
#include "spec/sva/done.h"
#include "spec/sva/numbers.h"
#include "spec/sva/recorded_faults.h"
#include "spec/sva/time_outs.h"
#include "spec/sva/unseen.h"

namespace iommucheck::spec::sva {

namespace {

std::string at_text(u32 device, u32 pasid) {
  return "device " + std::to_string(device) + ", PASID " + std::to_string(pasid);
}

Verdict broken(Rule rule, std::string text) {
  return {.ok = false, .rule = rule, .message = std::move(text)};
}

}  // namespace

// --- Release ---

Ticket release_begins(InterfaceState& s, u64 mm) {
  u32 process = s.find_process(mm);
  if (process != 0 && s.spaces[process].life != records::living) process = 0;
  const Ticket ticket = s.tickets.open(
      {.changes = s.changes, .kind = records::release_in_progress, .space = process});
  if (process == 0) return ticket;
  s.spaces.edit(s.trail, process).life = records::releasing;
  s.for_each_bond_of(process, [&](u32 i) {
    if (s.bonds[i].state != BondState::active) return;
    const bool has_handler = s.devices[s.bonds[i].device].has_mm_exit != 0;
    set_bond_state(s, i, has_handler ? BondState::owed : BondState::without);
  });
  return ticket;
}

/// INTERFACE "Exit": all handlers are called before any is waited for: while none of them runs it
/// waits for something else. A bond that a call in progress ends has none any more, or still.
Verdict release_waits(const InterfaceState& s, Ticket ticket) {
  const Pending* pending = s.tickets.find(ticket);
  Verdict verdict;
  if (pending == nullptr || pending->kind != records::release_in_progress) return verdict;
  bool any_runs = false;
  s.for_each_bond_of(pending->space,
                     [&](u32 i) { any_runs |= s.bonds[i].state == BondState::running; });
  if (!any_runs) return verdict;
  s.count(rule::EXIT_HANDLERS);
  s.for_each_bond_of(pending->space, [&](u32 i) {
    if (s.bonds[i].state != BondState::owed || !verdict.ok || may_have_ended(s, i)) return;
    verdict = broken(rule::EXIT_HANDLERS,
                     "Release waits before mm_exit was called for " +
                         at_text(s.bonds[i].device, s.numbers[s.bonds[i].number].value));
  });
  return verdict;
}

/// A handler that is past its bound, or that failed, keeps its number in quarantine; a device
/// without one keeps it until it unbinds.
Verdict release_ends(InterfaceState& s, Ticket ticket, bool timed_out) {
  const Pending* open = s.tickets.find(ticket);
  const u32 process = open == nullptr ? 0 : open->space;
  const u64 began = open == nullptr ? s.changes : open->changes;
  close_ticket(s, ticket);
  answers_are_over(s, timed_out);
  if (process == 0) return {};
  Verdict verdict;
  s.trail.set(s.changes, s.changes + 1);
  s.spaces.edit(s.trail, process).life = timed_out ? records::zombie : records::dead;
  s.for_each_bond_of(process, [&](u32 i) {
    const BondState state = s.bonds[i].state;
    const std::string at = at_text(s.bonds[i].device, s.numbers[s.bonds[i].number].value);
    // INTERFACE "Faults": the exit ends it, whoever keeps the bond.
    if (s.bonds[i].handled != 0) s.bonds.edit(s.trail, i).handled = 0;
    if (state != BondState::without) s.count(rule::EXIT_WAITS);
    if (state == BondState::owed && may_have_ended(s, i)) {
      return set_bond_state(s, i, BondState::without);
    }
    if (state == BondState::owed && verdict.ok) {
      verdict = broken(rule::EXIT_HANDLERS, "Release returned without mm_exit for " + at);
    } else if (state == BondState::running && verdict.ok) {
      verdict = broken(rule::EXIT_WAITS, "Release returned while mm_exit runs for " + at);
    }
    if (state == BondState::owed || state == BondState::running) {
      set_bond_state(s, i, BondState::overdue);
    }
  });
  // Where nobody saw it, nothing of it is left either.
  if (!timed_out) drop_unseen(s, [&](const Unseen& record) { return record.space == process; });
  s.for_each_bond_of(process, [&](u32 i) {
    if (s.bonds[i].state != BondState::done) return;
    bond_is_gone(s, i, Gone::by_exit);
    set_bond_state(s, i, timed_out ? BondState::ghost : BondState::ended);
  });
  for (u32 n = 1; n < s.numbers.bound(); ++n) {
    if (s.numbers[n].space == process) settle_number(s, n);
  }
  free_since(s, began);
  end_faults(s);
  return verdict;
}

// --- Handlers ---

namespace {

/// A bind that began before Release and has not returned gets its mm_exit first.
Verdict early_handler(InterfaceState& s, u32 device, u32 pasid, u64 drvdata) {
  bool found = false;
  Verdict verdict;
  const auto concerned = [&](const Pending& pending) {
    return !found && pending.kind == static_cast<u32>(CallKind::bind_device) &&
           pending.device == device && pending.drvdata == drvdata && pending.bond == 0 &&
           pending.gone == Gone::no && pending.first_pasid <= pasid &&
           pasid <= pending.last_pasid && s.spaces[pending.space].life == records::releasing;
  };
  s.tickets.edit_if(concerned, [&](Pending& pending) {
    found = true;
    u32 number = s.find_number(pasid);
    const bool is_free = is_free_or_in_doubt(s, number);
    if (!is_free && s.numbers[number].space != pending.space) {
      verdict = broken(rule::PASID_REUSE, "mm_exit for " + at_text(device, pasid) +
                                              ": the number is held by somebody else");
      return;
    }
    if (is_free) {
      number = take_number(s, pasid, NumberState::bound, pending.space);
      if ((pending.flags & bind_further_pasid) != 0) s.numbers.edit(s.trail, number).further = 1;
    }
    pending.bond = add_bond(s, device, number, drvdata, BondState::running);
    pending.first_pasid = pasid;
    pending.last_pasid = pasid;
  });
  if (found) return verdict;
  return broken(rule::EXIT_HANDLERS,
                "mm_exit for " + at_text(device, pasid) + ", at which nothing is bound");
}

}  // namespace

Verdict handler_called(InterfaceState& s, u32 device, u32 pasid, u64 drvdata) {
  s.count(rule::EXIT_HANDLERS);
  const std::string at = "mm_exit for " + at_text(device, pasid);
  const u32 bond = s.find_bond(device, pasid);
  if (bond == 0) return early_handler(s, device, pasid, drvdata);
  const Bond& record = s.bonds[bond];
  switch (record.state) {
    case BondState::owed: break;
    case BondState::active: return broken(rule::EXIT_HANDLERS, at + ": the process lives");
    case BondState::without:
      return broken(rule::EXIT_HANDLERS, at + ", which the device has not got");
    default: return broken(rule::EXIT_HANDLERS, at + " a second time");
  }
  if (record.drvdata != drvdata) {
    return broken(rule::EXIT_HANDLERS, at + " with drvdata " + std::to_string(drvdata) +
                                           " instead of " + std::to_string(record.drvdata));
  }
  set_bond_state(s, bond, BondState::running);
  return {};
}

Verdict handler_returned(InterfaceState& s, u32 device, u32 pasid, Status status) {
  const u32 bond = s.find_bond(device, pasid);
  if (bond == 0) return {};
  const BondState state = s.bonds[bond].state;
  if (state != BondState::running && state != BondState::overdue) return {};
  s.trail.set(s.changes, s.changes + 1);
  if (status != Status::ok) {
    set_bond_state(s, bond, BondState::failed);
    return {};
  }
  const u32 number = s.bonds[bond].number;
  say_done(s, device, pasid);
  if (s.spaces[s.numbers[number].space].life == records::releasing) {
    set_bond_state(s, bond, BondState::done);
    return {};
  }
  // Release is over: the number waited for this. Calls that wait for the handler see it gone.
  bond_is_gone(s, bond, Gone::by_exit);
  set_bond_state(s, bond, BondState::ended);
  settle_number(s, number);
  end_faults(s);
  return {};
}

Verdict bound_passes(InterfaceState& s, u32 device, u32 pasid) {
  const u32 bond = s.find_bond(device, pasid);
  if (bond == 0 || s.bonds[bond].state != BondState::running) return {};
  set_bond_state(s, bond, BondState::overdue);
  return {.ok = true,
          .blames_caller = true,
          .rule = rule::HANDLER_BOUND,
          .message = "mm_exit for " + at_text(device, pasid) + " is past its bound"};
}

// --- Calls that wait for them ---

bool is_inside(const InterfaceState& s, const Call& call) {
  if (!call.context.inside || call.context.device != call.device) return false;
  const u32 bond = s.find_bond(call.context.device, call.context.pasid);
  if (bond == 0) return false;
  const BondState state = s.bonds[bond].state;
  return state == BondState::running || state == BondState::overdue;
}

namespace {

bool waits_for_handlers(const InterfaceState& s, const Pending& pending) {
  bool waits = false;
  const auto runs = [&](u32 i) { return s.bonds[i].state == BondState::running; };
  if (pending.kind == records::release_in_progress) {
    s.for_each_bond_of(pending.space, [&](u32 i) {
      waits |= runs(i) || (s.bonds[i].state == BondState::owed && !may_have_ended(s, i));
    });
    return waits;
  }
  switch (static_cast<CallKind>(pending.kind)) {
    case CallKind::unbind_device: return pending.bond != 0 && runs(pending.bond);
    case CallKind::detach:
    case CallKind::unbind_dev_all:
    case CallKind::sva_device_shutdown:
      s.for_each_bond([&](u32 i) { waits |= s.bonds[i].device == pending.device && runs(i); });
      return waits;
    default: return false;
  }
}

}  // namespace

bool may_end(const InterfaceState& s, Ticket ticket) {
  const Pending* pending = s.tickets.find(ticket);
  return pending == nullptr || !waits_for_handlers(s, *pending);
}

/// INTERFACE "Exit": unbind, unbind_dev_all, shutdown and detach wait for handlers that run.
/// "Free": who frees what is in use is at fault, and the driver is right to say so.
Verdict check_waiting(const InterfaceState& s, const Call& call, const Observed& observed,
                      const Pending* begun) {
  if (observed.status == Status::ebusy && call.kind == CallKind::domain_free) {
    return {.blames_caller = true,
            .rule = rule::DOMAIN_IN_USE,
            .message = call_text(call) + ": something is still on it"};
  }
  if (observed.status != Status::ok || !ends_bonds(call.kind)) return {};
  // The detach of a dynamic domain is without effect.
  if (call.kind == CallKind::detach && s.find_dynamic(call.domain) != 0) return {};
  Pending now{.kind = static_cast<u32>(call.kind), .device = call.device};
  if (begun != nullptr) {
    now.bond = begun->bond;
  } else if (call.kind == CallKind::unbind_device) {
    now.bond = s.find_bond(call.device, call.pasid);
  }
  if (!waits_for_handlers(s, now)) return {};
  return {.ok = false,
          .rule = rule::EXIT_WAITS,
          .message = call_text(call) + " returned while mm_exit of the device runs"};
}

/// While Release of its process has not returned, a number that nobody needs any more is free or
/// not, and so is a device of which every handler is done: an implementation may end all at once.
const char* not_while_released(const InterfaceState& s, const Call& call) {
  switch (call.kind) {
    case CallKind::bind_device:
    case CallKind::sva_alloc_pasid:
    case CallKind::pasid_alloc:
    case CallKind::attach:
    case CallKind::detach: break;
    default: return nullptr;
  }
  bool open = false;
  s.tickets.for_each([&](const Pending& pending) {
    if (pending.kind != records::release_in_progress) return;
    open |= pending.freed != 0;
    s.for_each_bond_of(pending.space, [&](u32 i) {
      open |= s.bonds[i].state == BondState::done || s.bonds[i].state == BondState::ended;
    });
  });
  return open ? "a process exits of which some devices are done" : nullptr;
}

}  // namespace iommucheck::spec::sva
