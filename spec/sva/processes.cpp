// SPDX-License-Identifier: MIT
// The environment: processes, what their tables hold, Invalidate, Release, and the handlers of
// device drivers. SEMANTICS 5, SVA; INTERFACE "Exit".
#include <algorithm>

#include "spec/sva/interface.h"

namespace iommucheck::spec::sva {

using records::Gone;

namespace {

constexpr u64 whole_space = ~u64{0};
constexpr u64 page_mask = 4095;

u64 last_of(u64 first, u64 bytes) {
  return bytes > whole_space - first ? whole_space : first + (bytes - 1);
}

std::string at_text(u32 device, u32 pasid) {
  return "device " + std::to_string(device) + ", PASID " + std::to_string(pasid);
}

Verdict broken(Rule rule, std::string text) {
  return {.ok = false, .rule = rule, .message = std::move(text)};
}

}  // namespace

/// Whether something may cache its tables: the changes are kept until an Invalidate.
bool Interface::is_watched(u32 process) const {
  if (spaces_[process].devices != 0) return true;
  bool binds = false;
  for_each_pending([&](const Pending& pending) {
    binds |= pending.kind == static_cast<u32>(CallKind::bind_device) && pending.space == process;
  });
  return binds;
}

bool Interface::process_created(u64 mm, u32 input_bits) {
  if (mm == 0 || find_process(mm) != 0 || input_bits == 0 || input_bits > 64) return false;
  const u32 space = spaces_.allocate(trail_, {.handle = mm,
                                              .page_sizes = page_mask + 1,
                                              .kind = static_cast<u32>(DomainKind::paging),
                                              .input_bits = input_bits,
                                              .output_bits = 64,
                                              .life = records::living,
                                              .owner = Owner::process});
  forest_.insert(processes_, {.first = mm, .last = mm, .tag = space});
  return true;
}

/// The process's space if the range is one that its map can hold; 0 if not.
u32 Interface::find_writable(u64 mm, u64 va, u64 bytes) const {
  const u32 process = find_process(mm);
  if (process == 0 || bytes == 0 || ((va | bytes) & page_mask) != 0) return 0;
  const u64 last = va + (bytes - 1);
  const u32 bits = spaces_[process].input_bits;
  return last < va || (bits < 64 && (last >> bits) != 0) ? 0 : process;
}

/// What stands in the range may be cached from now on, though the table does not say so any more.
void Interface::keep_old(u32 process, u64 first, u64 last) {
  trail_.set(changes_, changes_ + 1);
  if (!is_watched(process)) return;
  const auto tag = static_cast<u32>(changes_);
  forest_.for_each(spaces_[process].map, first, last,
                   [&](const Interval& piece) { keep_layer(process, piece, tag); });
}

bool Interface::process_maps(u64 mm, u64 va, u64 bytes, u64 pa, u32 prot) {
  const u32 process = find_writable(mm, va, bytes);
  const u32 access = prot & prot_access;
  if (process == 0 || access == 0 || (pa & page_mask) != 0 || pa + (bytes - 1) < pa) return false;
  trail_.set(changes_, changes_ + 1);
  return forest_.insert(spaces_[process].map, {va, va + (bytes - 1), pa, prot, 0});
}

bool Interface::process_unmaps(u64 mm, u64 va, u64 bytes) {
  const u32 process = find_writable(mm, va, bytes);
  if (process == 0) return false;
  const u64 last = va + (bytes - 1);
  keep_old(process, va, last);
  forest_.erase(spaces_[process].map, va, last);
  return true;
}

bool Interface::process_protects(u64 mm, u64 va, u64 bytes, u32 prot) {
  const u32 process = find_writable(mm, va, bytes);
  if (process == 0 || (prot & prot_access) == 0) return false;
  const u64 end = va + (bytes - 1);
  u64& map = spaces_[process].map;
  trail_.set(changes_, changes_ + 1);
  for (u64 at = va;;) {
    const Piece piece = forest_.lookup(map, at);
    const u64 last = std::min(piece.last, end);
    if (piece.mapped && piece.prot != prot) {
      keep_old(process, at, last);
      forest_.erase(map, at, last);
      forest_.insert(map, {at, last, piece.pa, prot, 0});
    }
    if (last == end) return true;
    at = last + 1;
  }
}

/// INTERFACE "Exit": fork write-protects the parent's pages.
bool Interface::process_forks(u64 mm, u64 child) {
  const u32 parent = find_process(mm);
  if (parent == 0 || !process_created(child, spaces_[parent].input_bits)) return false;
  u64& copy = spaces_[find_process(child)].map;
  u64& map = spaces_[parent].map;
  for (u64 at = 0;;) {
    const Piece piece = forest_.lookup(map, at);
    const u32 prot = piece.prot & ~prot_write;
    if (piece.mapped) forest_.insert(copy, {at, piece.last, piece.pa, prot, 0});
    if (piece.mapped && prot != piece.prot) {
      keep_old(parent, at, piece.last);
      forest_.erase(map, at, piece.last);
      forest_.insert(map, {at, piece.last, piece.pa, prot, 0});
    }
    if (piece.last == whole_space) return true;
    at = piece.last + 1;
  }
}

bool Interface::process_gone(u64 mm) {
  const u32 process = find_process(mm);
  if (process == 0 || spaces_[process].life == records::releasing) return false;
  if (spaces_[process].life == records::living && is_watched(process)) return false;
  forest_.erase(processes_, mm, mm);
  Space& space = spaces_.edit(trail_, process);
  space.handle = 0;
  // After a time-out the tables have to stay.
  if (space.life == records::living) space.life = records::dead;
  if (space.life == records::dead) forest_.clear(spaces_[process].map);
  forget_process(process);
  return true;
}

/// Nothing is bound to it any more: nothing caches it; if it is gone too, neither does anybody ask.
void Interface::forget_process(u32 process) {
  if (is_watched(process)) return;
  forest_.clear(spaces_[process].stale);
  forest_.clear(spaces_[process].older);
  const bool over = spaces_[process].life == records::dead && spaces_[process].handle == 0;
  if (over) release_space(process);
}

// --- Invalidate ----------------------------------------------------------------------------------

Ticket Interface::invalidate_begins(u64 mm, u64 va, u64 bytes) {
  Pending pending{.kind = records::invalidate_in_progress, .space = find_process(mm)};
  pending.changes = changes_;
  if (bytes != 0) {
    pending.first = va;
    pending.last = last_of(va, bytes);
  }
  return {open_ticket(pending)};
}

void Interface::drop_older_than(u64& root, u64 first, u64 last, u64 changes) {
  for (;;) {
    const Piece piece = forest_.lookup(root, first);
    const u64 end = std::min(piece.last, last);
    if (piece.mapped && piece.tag <= changes) forest_.erase(root, first, end);
    if (end == last) return;
    first = end + 1;
  }
}

/// From its return no item older than the changes before it covers the range.
Verdict Interface::invalidate_ends(Ticket ticket, bool timed_out) {
  const Pending* open = pending_of(ticket);
  const Pending begun = open == nullptr ? Pending{} : *open;
  close_ticket(ticket);
  if (begun.space == 0 || begun.first > begun.last || timed_out) return {};
  Space& space = spaces_[begun.space];
  drop_older_than(space.stale, begun.first, begun.last, begun.changes);
  drop_older_than(space.older, begun.first, begun.last, begun.changes);
  return {};
}

// --- Release -------------------------------------------------------------------------------------

Ticket Interface::release_begins(u64 mm) {
  u32 process = find_process(mm);
  if (process != 0 && spaces_[process].life != records::living) process = 0;
  const u32 ticket = open_ticket({.kind = records::release_in_progress, .space = process});
  if (process == 0) return {ticket};
  spaces_.edit(trail_, process).life = records::releasing;
  for_each_bond_of(process, [&](u32 i) {
    if (bonds_[i].state != BondState::active) return;
    const bool has_handler = devices_[bonds_[i].device].has_mm_exit != 0;
    set_bond_state(i, has_handler ? BondState::owed : BondState::without);
  });
  return {ticket};
}

/// INTERFACE "Exit": all handlers are called before any is waited for.
Verdict Interface::release_waits(Ticket ticket) const {
  const Pending* pending = pending_of(ticket);
  Verdict verdict;
  if (pending == nullptr || pending->kind != records::release_in_progress) return verdict;
  for_each_bond_of(pending->space, [&](u32 i) {
    if (bonds_[i].state != BondState::owed || !verdict.ok) return;
    verdict = broken(Rule::EXIT_HANDLERS,
                     "Release waits before mm_exit was called for " +
                         at_text(bonds_[i].device, numbers_[bonds_[i].number].value));
  });
  return verdict;
}

/// A handler that is past its bound, or that failed, keeps its number in quarantine; a device
/// without one keeps it until it unbinds.
Verdict Interface::release_ends(Ticket ticket, bool timed_out) {
  const Pending* open = pending_of(ticket);
  const u32 process = open == nullptr ? 0 : open->space;
  close_ticket(ticket);
  if (process == 0) return {};
  Verdict verdict;
  trail_.set(changes_, changes_ + 1);
  spaces_.edit(trail_, process).life = timed_out ? records::zombie : records::dead;
  for_each_bond_of(process, [&](u32 i) {
    const BondState state = bonds_[i].state;
    const std::string at = at_text(bonds_[i].device, numbers_[bonds_[i].number].value);
    if (state != BondState::without) count(Rule::EXIT_WAITS);
    if (state == BondState::owed && verdict.ok) {
      verdict = broken(Rule::EXIT_HANDLERS, "Release returned without mm_exit for " + at);
    } else if (state == BondState::running && verdict.ok) {
      verdict = broken(Rule::EXIT_WAITS, "Release returned while mm_exit runs for " + at);
    }
    if (state == BondState::owed || state == BondState::running) {
      set_bond_state(i, BondState::overdue);
    }
  });
  // Where nobody saw it, nothing of it is left either.
  if (!timed_out) drop_unseen([&](const Unseen& record) { return record.space == process; });
  for_each_bond_of(process, [&](u32 i) {
    if (bonds_[i].state != BondState::done) return;
    for (u64 rest = busy_; rest != 0; rest &= rest - 1) {
      Pending& pending = pending_[static_cast<u32>(std::countr_zero(rest))];
      if (pending.bond != i) continue;
      trail_.save_object(pending);
      pending.bond = 0;
      pending.gone = Gone::by_exit;
    }
    set_bond_state(i, timed_out ? BondState::ghost : BondState::ended);
  });
  for (u32 n = 1; n < numbers_.bound(); ++n) {
    if (numbers_[n].space == process) settle_number(n);
  }
  return verdict;
}

// --- Handlers ------------------------------------------------------------------------------------

/// A bind that began before Release and has not returned gets its mm_exit first.
Verdict Interface::early_handler(u32 device, u32 pasid, u64 drvdata) {
  for (u64 rest = busy_; rest != 0; rest &= rest - 1) {
    Pending& pending = pending_[static_cast<u32>(std::countr_zero(rest))];
    if (pending.kind != static_cast<u32>(CallKind::bind_device) || pending.device != device ||
        pending.drvdata != drvdata || pending.bond != 0 || pending.gone != Gone::no ||
        pasid < pending.first_pasid || pasid > pending.last_pasid ||
        spaces_[pending.space].life != records::releasing) {
      continue;
    }
    u32 number = find_number(pasid);
    if (number != 0 && numbers_[number].state != NumberState::doubtful &&
        numbers_[number].space != pending.space) {
      return broken(Rule::PASID_REUSE, "mm_exit for " + at_text(device, pasid) +
                                           ": the number is held by somebody else");
    }
    if (number == 0 || numbers_[number].state == NumberState::doubtful) {
      number = take_number(pasid, NumberState::bound, pending.space);
      if ((pending.flags & bind_further_pasid) != 0) numbers_.edit(trail_, number).further = 1;
    }
    const u32 bond = add_bond(device, number, drvdata, BondState::running);
    trail_.save_object(pending);
    pending.bond = bond;
    pending.first_pasid = pasid;
    pending.last_pasid = pasid;
    return {};
  }
  return broken(Rule::EXIT_HANDLERS,
                "mm_exit for " + at_text(device, pasid) + ", at which nothing is bound");
}

Verdict Interface::handler_called(u32 device, u32 pasid, u64 drvdata) {
  count(Rule::EXIT_HANDLERS);
  const std::string at = "mm_exit for " + at_text(device, pasid);
  const u32 bond = find_bond(device, pasid);
  if (bond == 0) return early_handler(device, pasid, drvdata);
  const Bond& record = bonds_[bond];
  switch (record.state) {
    case BondState::owed: break;
    case BondState::active: return broken(Rule::EXIT_HANDLERS, at + ": the process lives");
    case BondState::without:
      return broken(Rule::EXIT_HANDLERS, at + ", which the device has not got");
    default: return broken(Rule::EXIT_HANDLERS, at + " a second time");
  }
  if (record.drvdata != drvdata) {
    return broken(Rule::EXIT_HANDLERS, at + " with drvdata " + std::to_string(drvdata) +
                                           " instead of " + std::to_string(record.drvdata));
  }
  set_bond_state(bond, BondState::running);
  return {};
}

Verdict Interface::handler_returned(u32 device, u32 pasid, Status status) {
  const u32 bond = find_bond(device, pasid);
  if (bond == 0) return {};
  const BondState state = bonds_[bond].state;
  if (state != BondState::running && state != BondState::overdue) return {};
  trail_.set(changes_, changes_ + 1);
  if (status != Status::ok) {
    set_bond_state(bond, BondState::failed);
    return {};
  }
  const u32 number = bonds_[bond].number;
  say_done(device, pasid);
  if (spaces_[numbers_[number].space].life == records::releasing) {
    set_bond_state(bond, BondState::done);
    return {};
  }
  // Release is over: the number waited for this. Calls that wait for the handler see it gone.
  for (u64 rest = busy_; rest != 0; rest &= rest - 1) {
    Pending& pending = pending_[static_cast<u32>(std::countr_zero(rest))];
    if (pending.bond != bond) continue;
    trail_.save_object(pending);
    pending.bond = 0;
    pending.gone = Gone::by_exit;
  }
  set_bond_state(bond, BondState::ended);
  settle_number(number);
  return {};
}

Verdict Interface::bound_passes(u32 device, u32 pasid) {
  const u32 bond = find_bond(device, pasid);
  if (bond == 0 || bonds_[bond].state != BondState::running) return {};
  set_bond_state(bond, BondState::overdue);
  return {.ok = true,
          .blames_caller = true,
          .rule = Rule::HANDLER_BOUND,
          .message = "mm_exit for " + at_text(device, pasid) + " is past its bound"};
}

}  // namespace iommucheck::spec::sva
