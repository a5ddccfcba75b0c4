// SPDX-License-Identifier: MIT
#include "spec/sva/layers.h"

#include <algorithm>

namespace iommucheck::spec::sva {

namespace {

Promise mapped(const Piece& piece) {
  return {.state = State::mapped, .pa = piece.pa, .prot = piece.prot};
}

void add_fault(FaultKind faults, Alternatives& out) {
  if (faults != FaultKind::waits) out.add({.state = State::unmapped});
  if (faults != FaultKind::terminated) out.add({.state = State::waits});
}

/// What is stale there already stays: that is the older claim on the range.
void make_stale(InterfaceState& s, u64& root, const Interval& interval, u32 tag) {
  for_each_hole(s, root, interval.first, interval.last, [&](u64 first, u64 last) {
    const u64 pa = interval.pa + (first - interval.first);
    s.forest.insert(root, {first, last, pa, interval.prot, tag});
  });
}

}  // namespace

/// What stands in `piece` may be cached, though the table does not say so. Two layers are kept;
/// where there are more nothing is said (`prot` unknown_layers).
void keep_layer(InterfaceState& s, u32 index, const Interval& piece, u32 tag) {
  Space& space = s.spaces[index];
  s.forest.for_each(space.stale, piece.first, piece.last, [&](const Interval& known) {
    const auto same = [&](const Interval& other) {
      return other.tag == tag && other.prot == piece.prot &&
             other.pa == piece.pa + (other.first - piece.first);
    };
    if (same(known)) return;
    bool third = false;
    s.forest.for_each(space.older, known.first, known.last,
                      [&](const Interval& layer) { third |= !same(layer); });
    s.forest.erase(space.older, known.first, known.last);
    s.forest.insert(space.older, {known.first, known.last, piece.pa + (known.first - piece.first),
                                  piece.prot | (third ? records::unknown_layers : 0), tag});
  });
  make_stale(s, space.stale, piece, tag);
}

void quarantine_stale(InterfaceState& s, u32 space) {
  s.forest.set_tags(s.spaces[space].stale, records::in_quarantine);
  s.forest.set_tags(s.spaces[space].older, records::in_quarantine);
}

namespace {

void drop_pieces(InterfaceState& s, u64& root, u32 tag, u64 first, u64 last) {
  for (;;) {
    const Piece piece = s.forest.lookup(root, first);
    const u64 end = std::min(piece.last, last);
    if (piece.mapped && piece.tag == tag) s.forest.erase(root, first, end);
    if (end == last) return;
    first = end + 1;
  }
}

}  // namespace

/// Only the pieces with that tag.
void drop_tagged(InterfaceState& s, u32 space, u32 tag, u64 first, u64 last) {
  drop_pieces(s, s.spaces[space].stale, tag, first, last);
  drop_pieces(s, s.spaces[space].older, tag, first, last);
}

void drop_older_than(InterfaceState& s, u64& root, u64 first, u64 last, u64 changes) {
  for (;;) {
    const Piece piece = s.forest.lookup(root, first);
    const u64 end = std::min(piece.last, last);
    if (piece.mapped && piece.tag <= changes) s.forest.erase(root, first, end);
    if (end == last) return;
    first = end + 1;
  }
}

bool page_in_flight(const InterfaceState& s, u64 pa, u64 size) {
  if (size == 0) return false;
  bool found = false;
  const u64 pa_last = pa + (size - 1);
  for_each_in_flight(s, [&](u32 /*space*/, const Interval& piece) {
    const u64 piece_last = piece.pa + (piece.last - piece.first);
    found |= piece.pa <= pa_last && pa <= piece_last;
  });
  return found;
}

// --- Promise ---

namespace {

void pending_space_promises(const InterfaceState& s, u32 index, u64 iova, bool is_mapped,
                            FaultKind faults, Alternatives& out) {
  s.tickets.for_each([&](const Pending& pending) {
    if (pending.space != index) return;
    if (pending.fresh != 0 && !is_mapped) {  // map: old or new, each granule for itself
      const Piece fresh = s.forest.lookup(pending.fresh, iova);
      out.ends_at(fresh.last);
      if (fresh.mapped) {
        out.add(mapped(fresh));
        out.concerned = true;
      }
    }
    if (pending.first > pending.last || pending.kind == records::invalidate_in_progress) return;
    if (iova < pending.first) {
      out.ends_at(pending.first - 1);
    } else if (iova <= pending.last) {  // unmap: old or fault
      out.ends_at(pending.last);
      add_fault(faults, out);
      out.concerned = true;
    }
  });
}

}  // namespace

/// Of an access to an address space: what is mapped, what is not synchronised, what the calls in
/// progress may have done already.
void space_promises(const InterfaceState& s, u32 index, u64 iova, FaultKind faults, bool with_calls,
                    Alternatives& out) {
  const Space& space = s.spaces[index];
  if (beyond(iova, space.input_bits)) {
    add_fault(faults, out);
    return;
  }
  const Piece piece = s.forest.lookup(space.map, iova);
  const Piece stale = s.forest.lookup(space.stale, iova);
  out.ends_at(piece.last);
  out.ends_at(stale.last);
  if (piece.mapped) {
    out.add(mapped(piece));
  } else {
    add_fault(faults, out);
  }
  // Not invalidated: old or fault. A process's page that has a new version has no fault but those
  // of its rights. A zombie's tables are held, what they map may be cleared.
  const bool is_process = space.owner == Owner::process;
  if (stale.mapped) {
    out.callers |= piece.mapped && !is_process && stale.tag == records::gathered;
    out.add(mapped(stale));
    if (!is_process) add_fault(faults, out);
  }
  if (space.older != 0) {
    const Piece older = s.forest.lookup(space.older, iova);
    out.ends_at(older.last);
    if (older.mapped && (older.prot & records::unknown_layers) != 0) out.gave_up = true;
    if (older.mapped) out.add(mapped(older));
    out.callers |= piece.mapped && older.mapped && !is_process && older.tag == records::gathered;
  }
  if (space.life == records::zombie) add_fault(faults, out);

  if (with_calls && s.tickets.any())
    pending_space_promises(s, index, iova, piece.mapped, faults, out);
}

}  // namespace iommucheck::spec::sva
