// SPDX-License-Identifier: MIT
#include "spec/sva/layers.h"

#include <algorithm>
#include <span>
#include <vector>

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

/// What stands in `piece` may be cached, though the table does not say so. What was there first is
/// in `stale`, each other content in the next layer that has room; where there are more nothing is
/// said (`prot` unknown_layers).
void keep_layer(InterfaceState& s, u32 index, const Interval& piece, u32 tag) {
  Space& space = s.spaces[index];
  const auto as_in_piece = [&](const Interval& part) {
    return Interval{part.first, part.last, piece.pa + (part.first - piece.first), piece.prot, tag};
  };
  std::span<const Interval> parts(&piece, 1);
  std::vector<Interval> taken, left;  // where a layer has something else
  for (unsigned layer = 0; !parts.empty(); ++layer) {
    u64& root = layer == 0 ? space.stale : space.older[layer - 1];
    for (const Interval& part : parts) {
      s.forest.for_each(root, part.first, part.last, [&](const Interval& known) {
        const Interval own = as_in_piece(known);
        const bool same = own.tag == known.tag && own.prot == known.prot && own.pa == known.pa;
        if (!same) left.push_back(own);
      });
    }
    for (const Interval& part : parts) make_stale(s, root, part, tag);
    if (layer == records::older_layers) break;
    taken.swap(left);
    left.clear();
    parts = taken;
  }
  for (Interval one : left) {  // beyond the last layer
    u64& root = space.older.back();
    one.prot |= records::unknown_layers;
    s.forest.erase(root, one.first, one.last);
    s.forest.insert(root, one);
  }
}

void clear_stale(InterfaceState& s, u32 space) {
  s.forest.clear(s.spaces[space].stale);
  for (u64& layer : s.spaces[space].older) s.forest.clear(layer);
}

void quarantine_stale(InterfaceState& s, u32 space) {
  s.forest.set_tags(s.spaces[space].stale, records::in_quarantine);
  for (u64& layer : s.spaces[space].older) s.forest.set_tags(layer, records::in_quarantine);
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
  for (u64& layer : s.spaces[space].older) drop_pieces(s, layer, tag, first, last);
}

namespace {

void drop_older_in(InterfaceState& s, u64& root, u64 first, u64 last, u64 changes) {
  for (;;) {
    const Piece piece = s.forest.lookup(root, first);
    const u64 end = std::min(piece.last, last);
    if (piece.mapped && piece.tag <= changes) s.forest.erase(root, first, end);
    if (end == last) return;
    first = end + 1;
  }
}

}  // namespace

void drop_older_than(InterfaceState& s, u32 space, u64 first, u64 last, u64 changes) {
  drop_older_in(s, s.spaces[space].stale, first, last, changes);
  for (u64& layer : s.spaces[space].older) drop_older_in(s, layer, first, last, changes);
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
  const bool is_process = is_environments(space);
  if (stale.mapped) {
    out.callers |= piece.mapped && !is_process && stale.tag == records::gathered;
    out.add(mapped(stale));
    if (!is_process) add_fault(faults, out);
  }
  for (const u64 layer : space.older) {
    if (layer == 0) continue;
    const Piece older = s.forest.lookup(layer, iova);
    out.ends_at(older.last);
    if (!older.mapped) continue;
    if ((older.prot & records::unknown_layers) != 0) out.gave_up = true;
    out.add(mapped(older));
    out.callers |= piece.mapped && !is_process && older.tag == records::gathered;
  }
  if (space.life == records::zombie) add_fault(faults, out);

  if (with_calls && s.tickets.any())
    pending_space_promises(s, index, iova, piece.mapped, faults, out);
}

}  // namespace iommucheck::spec::sva
