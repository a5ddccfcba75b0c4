// SPDX-License-Identifier: MIT
#include "spec/sva/processes.h"

#include <algorithm>

#include "spec/sva/layers.h"
#include "spec/sva/spaces.h"
#include "spec/sva/time_outs.h"

namespace iommucheck::spec::sva {

namespace {

constexpr u64 process_page_mask = 4095;

u64 last_of(u64 first, u64 bytes) {
  return bytes > whole_space - first ? whole_space : first + (bytes - 1);
}

/// The process's space if the range is one that its map can hold; 0 if not.
u32 find_writable(const InterfaceState& s, u64 mm, u64 va, u64 bytes) {
  const u32 process = s.find_process(mm);
  if (process == 0 || bytes == 0 || ((va | bytes) & process_page_mask) != 0) return 0;
  const u64 last = va + (bytes - 1);
  const u32 bits = s.spaces[process].input_bits;
  return last < va || (bits < 64 && (last >> bits) != 0) ? 0 : process;
}

/// What stands in the range may be cached from now on, though the table does not say so any more.
void keep_old(InterfaceState& s, u32 process, u64 first, u64 last) {
  s.trail.set(s.changes, s.changes + 1);
  if (!s.is_watched(process)) return;
  const auto tag = static_cast<u32>(s.changes);
  s.forest.for_each(s.spaces[process].map, first, last,
                    [&](const Interval& piece) { keep_layer(s, process, piece, tag); });
}

}  // namespace

bool process_created(InterfaceState& s, u64 mm, u32 input_bits) {
  if (mm == 0 || s.find_process(mm) != 0 || input_bits == 0 || input_bits > 64) return false;
  const u32 space = s.spaces.allocate(s.trail, {.handle = mm,
                                                .page_sizes = process_page_mask + 1,
                                                .kind = static_cast<u32>(DomainKind::paging),
                                                .input_bits = input_bits,
                                                .output_bits = 64,
                                                .life = records::living,
                                                .owner = Owner::process});
  s.forest.insert(s.processes, {.first = mm, .last = mm, .tag = space});
  return true;
}

bool process_maps(InterfaceState& s, u64 mm, u64 va, u64 bytes, u64 pa, u32 prot) {
  const u32 process = find_writable(s, mm, va, bytes);
  const u32 access = prot & prot_access;
  if (process == 0 || access == 0 || (pa & process_page_mask) != 0 || pa + (bytes - 1) < pa)
    return false;
  s.trail.set(s.changes, s.changes + 1);
  return s.forest.insert(s.spaces[process].map, {va, va + (bytes - 1), pa, prot, 0});
}

bool process_unmaps(InterfaceState& s, u64 mm, u64 va, u64 bytes) {
  const u32 process = find_writable(s, mm, va, bytes);
  if (process == 0) return false;
  const u64 last = va + (bytes - 1);
  keep_old(s, process, va, last);
  s.forest.erase(s.spaces[process].map, va, last);
  return true;
}

bool process_protects(InterfaceState& s, u64 mm, u64 va, u64 bytes, u32 prot) {
  const u32 process = find_writable(s, mm, va, bytes);
  if (process == 0 || (prot & prot_access) == 0) return false;
  const u64 end = va + (bytes - 1);
  u64& map = s.spaces[process].map;
  s.trail.set(s.changes, s.changes + 1);
  for (u64 at = va;;) {
    const Piece piece = s.forest.lookup(map, at);
    const u64 last = std::min(piece.last, end);
    if (piece.mapped && piece.prot != prot) {
      keep_old(s, process, at, last);
      s.forest.erase(map, at, last);
      s.forest.insert(map, {at, last, piece.pa, prot, 0});
    }
    if (last == end) return true;
    at = last + 1;
  }
}

/// INTERFACE "Exit": fork write-protects the parent's pages.
bool process_forks(InterfaceState& s, u64 mm, u64 child) {
  const u32 parent = s.find_process(mm);
  if (parent == 0 || !process_created(s, child, s.spaces[parent].input_bits)) return false;
  u64& copy = s.spaces[s.find_process(child)].map;
  u64& map = s.spaces[parent].map;
  for (u64 at = 0;;) {
    const Piece piece = s.forest.lookup(map, at);
    const u32 prot = piece.prot & ~prot_write;
    if (piece.mapped) s.forest.insert(copy, {at, piece.last, piece.pa, prot, 0});
    if (piece.mapped && prot != piece.prot) {
      keep_old(s, parent, at, piece.last);
      s.forest.erase(map, at, piece.last);
      s.forest.insert(map, {at, piece.last, piece.pa, prot, 0});
    }
    if (piece.last == whole_space) return true;
    at = piece.last + 1;
  }
}

bool process_gone(InterfaceState& s, u64 mm) {
  const u32 process = s.find_process(mm);
  if (process == 0 || s.spaces[process].life == records::releasing) return false;
  if (s.spaces[process].life == records::living && s.is_watched(process)) return false;
  s.forest.erase(s.processes, mm, mm);
  Space& space = s.spaces.edit(s.trail, process);
  space.handle = 0;
  // After a time-out the tables have to stay.
  if (space.life == records::living) space.life = records::dead;
  if (space.life == records::dead) s.forest.clear(s.spaces[process].map);
  forget_process(s, process);
  return true;
}

// --- Invalidate ---

Ticket invalidate_begins(InterfaceState& s, u64 mm, u64 va, u64 bytes) {
  Pending pending{.kind = records::invalidate_in_progress, .space = s.find_process(mm)};
  pending.changes = s.changes;
  if (bytes != 0) {
    pending.first = va;
    pending.last = last_of(va, bytes);
  }
  return s.tickets.open(pending);
}

/// From its return no item older than the changes before it covers the range.
Verdict invalidate_ends(InterfaceState& s, Ticket ticket, bool timed_out) {
  const Pending* open = s.tickets.find(ticket);
  const Pending begun = open == nullptr ? Pending{} : *open;
  close_ticket(s, ticket);
  answers_are_over(s, timed_out);
  if (begun.space == 0 || begun.first > begun.last || timed_out) return {};
  drop_older_than(s, begun.space, begun.first, begun.last, begun.changes);
  return {};
}

}  // namespace iommucheck::spec::sva
