// SPDX-License-Identifier: MIT
// What a table does not say any more and a cache still may: not synchronised, in quarantine, or
// changed by a process. And what an access to a space meets by all of it. SEMANTICS 5.
#pragma once

#include "spec/sva/expectation.h"
#include "spec/sva/state.h"

namespace iommucheck::spec::sva {

/// Calls visit(first, last) for the holes of a map within [first, last]; it may fill them.
template <class Visit>
void for_each_hole(const InterfaceState& s, const u64& root, u64 first, u64 last, Visit visit) {
  for (;;) {
    const Piece piece = s.forest.lookup(root, first);
    const u64 end = piece.last < last ? piece.last : last;
    if (!piece.mapped) visit(first, end);
    if (end == last) return;
    first = end + 1;
  }
}

/// visit(space, interval) for what is unmapped and may still be reached; all that a zombie maps
/// is reachable until recovery.
template <class Visit>
void for_each_in_flight(const InterfaceState& s, Visit visit) {
  s.for_each_space([&](u32 i) {
    if (s.spaces[i].owner == Owner::user) return;  // IPAs
    const auto look = [&](const Interval& piece) { visit(i, piece); };
    s.forest.for_each(s.spaces[i].stale, 0, ~u64{0}, look);
    for (const u64 older : s.spaces[i].older) s.forest.for_each(older, 0, ~u64{0}, look);
    if (s.spaces[i].life == records::zombie) s.forest.for_each(s.spaces[i].map, 0, ~u64{0}, look);
  });
}

void keep_layer(InterfaceState& s, u32 index, const Interval& piece, u32 tag);
/// All layers.
void clear_stale(InterfaceState& s, u32 space);
void quarantine_stale(InterfaceState& s, u32 space);
void drop_tagged(InterfaceState& s, u32 space, u32 tag, u64 first, u64 last);
void drop_older_than(InterfaceState& s, u32 space, u64 first, u64 last, u64 changes);
bool page_in_flight(const InterfaceState& s, u64 pa, u64 size);
void space_promises(const InterfaceState& s, u32 index, u64 iova, FaultKind faults, bool with_calls,
                    Alternatives& out);

}  // namespace iommucheck::spec::sva
