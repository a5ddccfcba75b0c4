// SPDX-License-Identifier: MIT
#include "spec/sva/map.h"

#include <algorithm>

#include "spec/sva/dirty.h"
#include "spec/sva/layers.h"
#include "spec/sva/walkers.h"

namespace iommucheck::spec::sva {

namespace {

/// Whether [start, start + size) lies in 0 .. 2^bits - 1; size > 0.
bool fits(u64 start, u64 size, u32 bits) {
  const u64 last = start + (size - 1);
  return last >= start && (bits >= 64 || (last >> bits) == 0);
}

bool aligned(u64 value, u64 granule) { return (value & (granule - 1)) == 0; }

Reason no_target(const Call& call) {
  return is_io_mm_call(call.kind) ? Reason::no_such_io_mm : Reason::no_such_domain_that_can_map;
}

}  // namespace

bool well_formed(const Space& domain, u64 iova, u64 pa, u64 size) {
  return domain.page_sizes != 0 && aligned(iova | pa | size, granule(domain)) &&
         fits(iova, size, domain.input_bits) && fits(pa, size, domain.output_bits);
}

// --- map, map_sg ---

namespace {

/// INTERFACE "Map", for one range: alignment, sizes, what is there already.
void judge_map_range(const InterfaceState& s, const Space& domain, u64 iova, u64 pa, u64 size,
                     Permitted& set) {
  if (!aligned(iova | pa | size, granule(domain))) set.add(Reason::unaligned);
  if (size == 0) {
    if ((domain.input_bits < 64 && (iova >> domain.input_bits) != 0) ||
        (domain.output_bits < 64 && (pa >> domain.output_bits) != 0)) {
      set.add(Reason::beyond_the_input_or_output_size);
    }
    return;
  }
  if (!fits(iova, size, domain.input_bits)) set.add(Reason::beyond_the_input_size);
  if (!fits(pa, size, domain.output_bits)) set.add(Reason::beyond_the_output_size);
  const u64 last = std::max(iova, iova + (size - 1));
  if (s.forest.first_mapped_in(domain.map, iova, last).found) {
    set.add(Reason::something_in_the_range_is_mapped_already);
  }
}

/// The same section, for all ranges of a call: what they are to be mapped in, and with which
/// permissions. Null: there is nothing to map them in.
const Space* judge_map_target(const InterfaceState& s, const Call& call, Permitted& set) {
  const u32 index = s.target(call);
  if (index == 0) {
    set.add(no_target(call));
    return nullptr;
  }
  const Space& domain = s.spaces[index];
  if ((call.prot & prot_access) == 0) set.add(Reason::no_permission_is_asked_for);
  if ((call.prot & ~prot_known) != 0) set.add(Reason::unknown_permissions);
  if (domain.page_sizes == 0) set.add(Reason::the_domain_has_no_page_size);
  return &domain;
}

}  // namespace

Permitted permitted_map(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  const Space* domain = judge_map_target(s, call, set);
  if (domain == nullptr) return set;
  judge_map_range(s, *domain, call.iova, call.pa, call.size, set);
  if (call.size == 0) {
    set.add(Reason::size_0_does_nothing);
    return set;
  }
  if (set.empty()) set.add(Reason::nothing_in_the_range_is_mapped);
  may_lack_memory(set, around);
  if (!is_dynamic(*domain)) may_time_out(set, around);
  return set;
}

/// The bytes, or an error and nothing changed.
Permitted permitted_map_sg(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  const Space* domain = judge_map_target(s, call, set);
  if (domain == nullptr) return set;
  u64 total = 0;
  for (const Segment& segment : call.segments) {
    judge_map_range(s, *domain, call.iova + total, segment.pa, segment.size, set);
    if (total + segment.size < total || call.iova + total < call.iova) {
      set.add(Reason::the_pieces_wrap);
      break;
    }
    total += segment.size;
  }
  if (call.segments.empty()) judge_map_range(s, *domain, call.iova, 0, 0, set);
  if (total == 0 || set.empty()) {
    set.add(Reason::done, ValueRule::one_of);
    set.add_value(total, "all pieces");
  }
  if (total == 0) return set;
  may_lack_memory(set, around);
  if (!is_dynamic(*domain)) may_time_out(set, around);
  return set;
}

/// One that is going to fail may be half done before it is unrolled, as far as its pieces are well
/// formed; what is mapped already is never touched.
void begin_map(InterfaceState& s, const Call& call, Pending& pending) {
  pending.space = s.target(call);
  if (pending.space == 0) return;
  for_each_request(s, s.spaces[pending.space], call,
                   [&](const Interval& request) { s.forest.insert(pending.fresh, request); });
}

namespace {

/// What a failed map was to map, where nothing is mapped.
template <class Visit>
void for_each_missing(InterfaceState& s, const Call& call, u32 index, const Visit& visit) {
  for_each_request(s, s.spaces[index], call, [&](const Interval& request) {
    for_each_hole(s, s.spaces[index].map, request.first, request.last, [&](u64 first, u64 last) {
      const u64 pa = request.pa + (first - request.first);
      visit(Interval{first, last, pa, request.prot, 0});
    });
  });
}

/// A map that failed while the queue was stuck may have been reachable for a moment, and its
/// invalidation is not complete.
void quarantine_failed_map(InterfaceState& s, const Call& call) {
  const u32 index = s.target(call);
  if (index == 0) return;
  // What nobody could reach while it was there is in no cache.
  const Space& space = s.spaces[index];
  const bool reached = space.devices != 0 || space.ghosts != 0 || space.used != 0;
  if (space.owner == Owner::domain && !reached) return;
  for_each_missing(s, call, index, [&](const Interval& piece) {
    keep_layer(s, index, piece, records::in_quarantine);
  });
}

/// A map that failed half-way was in the table for a moment: a walker may have met it.
void leave_failed_map(InterfaceState& s, const Call& call, u32 index) {
  for_each_missing(s, call, index,
                   [&](const Interval& piece) { leave_to_walkers(s, index, piece); });
}

}  // namespace

void apply_map(InterfaceState& s, const Call& call, Status status, Circumstances around) {
  const u32 index = s.target(call);
  const bool dynamic = index != 0 && is_dynamic(s.spaces[index]);
  if (status != Status::ok) {
    const bool half_way = status == Status::enomem || status == Status::eexist;
    if (index != 0 && half_way && is_walked(s, index)) leave_failed_map(s, call, index);
    if (!dynamic && around.queue_stuck) quarantine_failed_map(s, call);
    return;
  }
  if (index == 0) return;
  Space& domain = s.spaces[index];
  for_each_request(s, domain, call, [&](const Interval& request) {
    // It says ok: what a time-out had left there is settled. What the caller has not
    // synchronised is not, and is the caller's fault.
    drop_tagged(s, index, records::in_quarantine, request.first, request.last);
    s.forest.insert(domain.map, request);
  });
}

// --- unmap, unmap_fast ---

namespace {

/// A block that cannot be split ends an unmap like a hole. A block may stand wherever an aligned
/// one of the page sizes lies in what ONE map call made (a piece of the map: pieces are cut, never
/// joined) with IOVA and PA congruent. [first, end] is what the unmap could reach at most, `last`
/// the end of what was asked for.
void add_stops(const InterfaceState& s, const Space& domain, u64 first, u64 last, u64 end,
               Permitted& set) {
  const u64 smallest = granule(domain);
  for (u64 sizes = domain.page_sizes; sizes != 0; sizes &= sizes - 1) {
    const u64 size = sizes & (~sizes + 1);
    if (size == smallest) continue;
    for (const u64 address : {first, end}) {
      const Piece piece = s.forest.lookup(domain.map, address);
      const u64 block = address & ~(size - 1);
      const u64 block_last = block | (size - 1);
      const bool inside = piece.mapped && piece.first <= block && block_last <= piece.last;
      const bool congruent = aligned(piece.pa - address, size);
      const bool partial = block < first || block_last > last;
      if (!inside || !congruent || !partial) continue;
      set.add_value(std::max(block, first) - first, "up to a block that may not be splittable");
    }
  }
}

}  // namespace

/// INTERFACE "Map": the bytes from the start to the first hole, 0 for bad arguments.
Permitted permitted_unmap(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  set.add(Reason::done, ValueRule::one_of);
  const u32 index = s.target(call);
  const char* bad = nullptr;
  if (index == 0) {
    bad = reason_text(no_target(call));
  } else if (s.spaces[index].page_sizes == 0) {
    bad = "the domain has no page size";
  } else if (call.size == 0) {
    bad = "nothing is asked for";
  } else if (!aligned(call.iova | call.size, granule(s.spaces[index]))) {
    bad = "unaligned";
  } else if (!fits(call.iova, call.size, s.spaces[index].input_bits)) {
    bad = "beyond the input size";
  }
  if (bad != nullptr) {
    set.add_value(0, bad);
    return set;
  }
  const Space& domain = s.spaces[index];
  const u64 last = call.iova + (call.size - 1);
  u64 end = call.iova;  // the first address that is not unmapped
  bool all = false;
  while (!all) {
    const Piece piece = s.forest.lookup(domain.map, end);
    if (!piece.mapped) break;
    all = piece.last >= last;
    end = all ? last : piece.last + 1;
  }
  set.add_value(all ? call.size : end - call.iova,
                all ? "all of it is mapped" : "up to the first hole");
  if (all || end != call.iova) add_stops(s, domain, call.iova, last, all ? last : end - 1, set);
  if (!is_dynamic(domain)) may_time_out(set, around, ValueRule::one_of);
  return set;
}

void begin_unmap(const InterfaceState& s, const Call& call, Pending& pending) {
  const u64 bytes = permitted_unmap(s, call, {}).greatest_value();
  pending.space = s.target(call);
  if (bytes == 0) return;
  pending.first = call.iova;
  pending.last = call.iova + (bytes - 1);
}

/// INTERFACE "Map", "Gather", "Timeouts and removal".
void apply_unmap(InterfaceState& s, const Call& call, const Observed& observed) {
  const u32 index = s.target(call);
  if (index == 0 || observed.value == 0) return;
  Space& domain = s.spaces[index];
  const u64 last = call.iova + (observed.value - 1);
  if (s.tracked != 0) forget_written(s, index, call.iova, last);
  const bool timed_out = observed.status == Status::etimedout;
  const bool fast = as_domain_call(call.kind) == CallKind::unmap_fast;
  if (is_walked(s, index)) {
    s.forest.for_each(domain.map, call.iova, last,
                      [&](const Interval& piece) { leave_to_walkers(s, index, piece); });
  }
  if (is_dynamic(domain)) {
    s.forest.erase(domain.map, call.iova, last);
    return;
  }
  // A device that a time-out left on this domain may keep what it has until it is settled. After
  // unmap_fast the caller synchronises first, in any case.
  if (timed_out || domain.ghosts != 0 || fast) {
    const u32 tag = fast && !timed_out ? records::gathered : records::in_quarantine;
    s.forest.for_each(domain.map, call.iova, last,
                      [&](const Interval& piece) { keep_layer(s, index, piece, tag); });
  }
  s.forest.erase(domain.map, call.iova, last);
}

// --- Syncs, and what joins the gather ---

namespace {

void forget_added(InterfaceState& s, u32 space) {
  if (s.spaces[space].added_first > s.spaces[space].added_last) return;
  Space& record = s.spaces.edit(s.trail, space);
  record.added_first = whole_space;
  record.added_last = 0;
}

}  // namespace

void empty_gather(InterfaceState& s, u32 space) {
  drop_tagged(s, space, records::gathered, 0, whole_space);
  forget_added(s, space);
}

/// INTERFACE "Gather". Never ENOMEM.
Permitted permitted_sync(const InterfaceState& s, const Call& call, Circumstances around) {
  Permitted set;
  if (s.target(call) == 0) {
    set.add(no_target(call));
    return set;
  }
  set.add(Reason::done);
  if (!is_dynamic(s.spaces[s.target(call)])) may_time_out(set, around);
  return set;
}

/// iotlb_sync completes and empties the gather; a flush covers the whole space, what an earlier
/// time-out left included. A time-out puts the gather in quarantine.
void apply_sync(InterfaceState& s, const Call& call, Status status) {
  const u32 index = s.target(call);
  if (index == 0) return;
  if (is_dynamic(s.spaces[index])) {
    // The caller's statement that its walkers are flushed: what they have it does not change.
    forget_added(s, index);
  } else if (status == Status::etimedout) {
    quarantine_stale(s, index);
  } else if (status == Status::ok) {
    empty_gather(s, index);
    const bool flush = as_domain_call(call.kind) == CallKind::flush_iotlb_all;
    const bool whole = flush && s.spaces[index].ghosts == 0;
    if (whole) drop_tagged(s, index, records::in_quarantine, 0, whole_space);
  }
}

Permitted permitted_tlb_range_add(const InterfaceState& s, const Call& call) {
  Permitted set;
  const u32 index = s.target(call);
  if (index == 0) {
    set.add(no_target(call));
    return set;
  }
  const Space& domain = s.spaces[index];
  const bool inside = fits(call.iova, call.size == 0 ? 1 : call.size, domain.input_bits);
  if (!inside) set.add(Reason::argument_beyond_the_input_size);
  // Nothing says whether an unaligned range is refused or rounded outwards: over-invalidation is
  // never wrong.
  if (!aligned(call.iova | call.size, granule(domain))) set.add(Reason::unaligned);
  if (inside || call.size == 0) set.add(Reason::the_range_joins_the_gather);
  return set;
}

/// A range that joins the gather owes nothing to anybody by itself: nothing there was unmapped
/// through this interface. Its hull is kept for reports.
void apply_tlb_range_add(InterfaceState& s, const Call& call) {
  const u32 index = s.target(call);
  if (index == 0 || call.size == 0) return;
  Space& domain = s.spaces.edit(s.trail, index);
  domain.added_first = std::min(domain.added_first, call.iova);
  domain.added_last = std::max(domain.added_last, call.iova + (call.size - 1));
}

// --- Asked ---

/// INTERFACE "Map": what the table says, 0 at once after unmap_fast; identity: its argument.
Permitted permitted_iova_to_phys(const InterfaceState& s, const Call& call) {
  Permitted set;
  set.add(Reason::done, ValueRule::one_of);
  const u32 index = is_io_mm_call(call.kind) ? s.find_private(call.io_mm) : s.find(call.domain);
  if (index == 0) {
    set.add_value(0, reason_text(no_target(call)));
    return set;
  }
  const Space& domain = s.spaces[index];
  if (domain.kind == static_cast<u32>(DomainKind::identity)) {
    set.add_value(call.iova, "identity");
    return set;
  }
  const Piece piece = s.forest.lookup(domain.map, call.iova);
  set.add_value(piece.mapped ? piece.pa : 0, piece.mapped ? "mapped" : "not mapped");
  return set;
}

/// INTERFACE "Free": calls on a process's io_mm.
Permitted permitted_on_process(const Call& call) {
  Permitted set;
  switch (as_domain_call(call.kind)) {
    case CallKind::map_sg: set.add(Reason::a_process_io_mm); [[fallthrough]];
    case CallKind::unmap:
    case CallKind::unmap_fast:
    case CallKind::iova_to_phys:
      set.add(Reason::done, ValueRule::one_of);
      set.add_value(0, "a process's io_mm");
      break;
    default: set.add(Reason::a_process_io_mm); break;
  }
  return set;
}

}  // namespace iommucheck::spec::sva
