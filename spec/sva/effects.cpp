// SPDX-License-Identifier: MIT
// What a call's observed result makes of the state. A failed call changes nothing unless said.
#include <algorithm>

#include "spec/sva/interface.h"

namespace iommucheck::spec::sva {

namespace {

constexpr u64 whole_space = ~u64{0};

}  // namespace

Ticket Interface::begin_call(const Call& call) {
  const u32 ticket = open_ticket({.kind = static_cast<u32>(call.kind), .device = call.device});
  if (ticket != 0) begin_effect(call, pending_[ticket - 1]);
  return {ticket};
}

/// 0: all are in use.
u32 Interface::open_ticket(const Pending& pending) {
  if (busy_ == ~u64{0}) {
    trail_.set(overflow_, overflow_ + 1);
    return 0;
  }
  const auto slot = static_cast<u32>(std::countr_one(busy_));
  trail_.save_object(pending_[slot]);
  pending_[slot] = pending;
  trail_.set(busy_, busy_ | (u64{1} << slot));
  return slot + 1;
}

void Interface::close_ticket(Ticket ticket) {
  if (pending_of(ticket) == nullptr) {
    if (overflow_ != 0) trail_.set(overflow_, overflow_ - 1);
    return;
  }
  Pending& pending = pending_[ticket.number - 1];
  if (pending.fresh != 0) forest_.clear(pending.fresh);
  trail_.set(busy_, busy_ & ~(u64{1} << (ticket.number - 1)));
}

const Interface::Pending* Interface::pending_of(Ticket ticket) const {
  if (ticket.number == 0 || ticket.number > ticket_max) return nullptr;
  const bool is_open = ((busy_ >> (ticket.number - 1)) & 1) != 0;
  return is_open ? &pending_[ticket.number - 1] : nullptr;
}

/// The slot is saved already.
void Interface::begin_effect(const Call& call, Pending& pending) {
  switch (as_domain_call(call.kind)) {
    case CallKind::attach:
      if (permitted_attach(call, {}).has(Status::ok)) pending.space = find(call.domain);
      break;
    case CallKind::detach:
      if (permitted_detach(call, {}).has(Status::ok)) pending.space = find(call.domain);
      break;
    case CallKind::map:
    case CallKind::map_sg:
      // One that is going to fail may be half done before it is unrolled, as far as its pieces are
      // well formed; what is mapped already is never touched.
      pending.space = target(call);
      if (pending.space == 0) break;
      for_each_request(spaces_[pending.space], call,
                       [&](const Interval& request) { forest_.insert(pending.fresh, request); });
      break;
    case CallKind::unmap:
    case CallKind::unmap_fast: {
      const u64 bytes = permitted_unmap(call, {}).greatest_value();
      pending.space = target(call);
      if (bytes == 0) break;
      pending.first = call.iova;
      pending.last = call.iova + (bytes - 1);
      break;
    }
    default: begin_sva(call, pending); break;
  }
}

Verdict Interface::end_call(Ticket ticket, const Call& call, const Observed& observed,
                            Circumstances around) {
  const Pending* open = pending_of(ticket);
  if (open == nullptr) {
    close_ticket(ticket);
    return apply(call, observed, around);
  }
  close_ticket(ticket);
  const Pending& begun = *open;  // the slot is left as it is until another call begins
  Verdict verdict = check(call, observed, around, &begun);
  if (verdict.ok) apply_effect(call, observed, around, &begun);
  return verdict;
}

Verdict Interface::end_call(const Call& call, const Observed& observed, Circumstances around) {
  const auto slot = static_cast<u32>(std::bit_width(busy_));
  return slot == 0 ? apply(call, observed, around) : end_call({slot}, call, observed, around);
}

Verdict Interface::apply(const Call& call, const Observed& observed, Circumstances around) {
  Verdict verdict = check(call, observed, around, nullptr);
  if (verdict.ok) apply_effect(call, observed, around, nullptr);
  return verdict;
}

void Interface::apply_effect(const Call& call, const Observed& observed, Circumstances around,
                             const Pending* begun) {
  // "The state as before, the PASID cursor apart": nobody saw which numbers lost their turn. Nor
  // which one a time-out held, and gave back with the recovery.
  const bool gives = call.kind == CallKind::bind_device || call.kind == CallKind::pasid_alloc ||
                     call.kind == CallKind::sva_alloc_pasid;
  const bool loses = observed.status == Status::enomem || observed.status == Status::etimedout;
  if (gives && loses && turns_lost_ == 0) trail_.set(turns_lost_, 1);
  switch (as_domain_call(call.kind)) {
    case CallKind::domain_alloc: apply_domain_alloc(call, observed); break;
    case CallKind::domain_free: apply_domain_free(call, observed.status); break;
    case CallKind::attach: apply_attach(call, observed.status); break;
    case CallKind::detach: apply_detach(call, observed.status); break;
    case CallKind::map:
    case CallKind::map_sg: apply_map(call, observed.status, around); break;
    case CallKind::unmap:
    case CallKind::unmap_fast: apply_unmap(call, observed); break;
    case CallKind::iotlb_sync:
    case CallKind::flush_iotlb_all: apply_sync(call, observed.status); break;
    case CallKind::tlb_range_add:
      if (observed.status == Status::ok) apply_tlb_range_add(call);
      break;
    case CallKind::iova_to_phys: break;
    default: apply_sva(call, observed, begun); break;
  }
}

void Interface::apply_domain_alloc(const Call& call, const Observed& observed) {
  if (observed.status != Status::ok) return;
  Space domain;
  domain.handle = observed.value;
  domain.kind = call.domain_kind;
  domain.life = records::living;
  domain.owner = Owner::domain;
  if (call.domain_kind == static_cast<u32>(DomainKind::paging)) {
    domain.input_bits = observed.facts.input_bits;
    domain.output_bits = observed.facts.output_bits;
    domain.page_sizes = observed.facts.page_sizes;
  }
  const u32 index = spaces_.allocate(trail_, domain);
  forest_.erase(freed_handles_, observed.value, observed.value);
  forest_.insert(handles_, {.first = observed.value, .last = observed.value, .tag = index});
}

/// INTERFACE "Free"; after a time-out the handle is gone, the rest is held until recovery.
void Interface::apply_domain_free(const Call& call, Status status) {
  if (status != Status::ok && status != Status::etimedout) return;
  const u32 index = find(call.domain);
  forest_.erase(handles_, call.domain, call.domain);
  forest_.insert(freed_handles_, {.first = call.domain, .last = call.domain});
  if (status == Status::ok) {
    drop_ghosts_of_domain(index);
    ghosts_end_of_domain(index);
    drop_unseen([&](const Unseen& record) { return record.domain == index; });
    release_space(index);
    return;
  }
  Space& domain = spaces_.edit(trail_, index);
  domain.life = records::zombie;
  domain.handle = 0;
  quarantine_stale(index);
}

void Interface::release_space(u32 space) {
  Space& record = spaces_.edit(trail_, space);
  forest_.clear(record.map);
  forest_.clear(record.stale);
  forest_.clear(record.older);
  while (record.links != 0) {
    const u32 link = record.links;
    record.links = links_[link].next;
    links_.release(trail_, link);
  }
  record.life = records::unused;
  spaces_.release(trail_, space);
}

void Interface::move_device(u32 device, u32 domain) {
  Device& record = devices_.edit(trail_, device);
  if (record.domain != 0) --spaces_.edit(trail_, record.domain).devices;
  record.domain = domain;
  if (domain != 0) ++spaces_.edit(trail_, domain).devices;
}

void Interface::add_ghost(u32 device, u32 domain) {
  Device& record = devices_.edit(trail_, device);
  for (u32 g = record.ghosts; g != 0; g = ghosts_[g].next) {
    if (ghosts_[g].domain == domain) return;
  }
  record.ghosts = ghosts_.allocate(trail_, {.domain = domain, .next = record.ghosts});
  ++spaces_.edit(trail_, domain).ghosts;
}

void Interface::drop_ghosts(u32 device) {
  if (devices_[device].ghosts == 0) return;
  Device& record = devices_.edit(trail_, device);
  while (record.ghosts != 0) {
    const u32 g = record.ghosts;
    record.ghosts = ghosts_[g].next;
    --spaces_.edit(trail_, ghosts_[g].domain).ghosts;
    ghosts_.release(trail_, g);
  }
}

void Interface::drop_ghosts_of_domain(u32 domain) {
  if (spaces_[domain].ghosts == 0) return;
  for (u32 i = 0; i < devices_.size(); ++i) {
    u32 kept = 0;
    Device& record = devices_.edit(trail_, i);
    for (u32 g = record.ghosts; g != 0;) {
      const u32 next = ghosts_[g].next;
      if (ghosts_[g].domain == domain) {
        ghosts_.release(trail_, g);
      } else {
        ghosts_.edit(trail_, g).next = kept;
        kept = g;
      }
      g = next;
    }
    record.ghosts = kept;
  }
  spaces_.edit(trail_, domain).ghosts = 0;
}

/// INTERFACE "Attach". After a time-out the devices stay, and may meet either domain.
void Interface::apply_attach(const Call& call, Status status) {
  if (status != Status::ok && status != Status::etimedout) return;
  const u32 index = find(call.domain);
  for (u32 i = 0; i < devices_.size(); ++i) {
    if (!moves_with(call.device, i) || devices_[i].domain == index) continue;
    if (status == Status::etimedout) {
      add_ghost(i, index);
      continue;
    }
    move_device(i, index);
    drop_ghosts(i);
  }
}

/// Detach implies the sync and unbind_dev_all. After a time-out it is detached for the caller, and
/// no more.
void Interface::apply_detach(const Call& call, Status status) {
  if (status != Status::ok && status != Status::etimedout) return;
  end_all_of(call.device, records::Gone::by_another, status == Status::etimedout);
  const u32 index = find(call.domain);
  for (u32 i = 0; i < devices_.size(); ++i) {
    if (!moves_with(call.device, i) || devices_[i].domain != index) continue;
    move_device(i, 0);
    if (status == Status::etimedout) {
      add_ghost(i, index);
    } else {
      drop_ghosts(i);
    }
  }
  if (status == Status::etimedout) {
    quarantine_stale(index);
  } else {
    empty_gather(index);
  }
}

/// What is stale there already stays: that is the older claim on the range.
void Interface::make_stale(u64& root, const Interval& interval, u32 tag) {
  for_each_hole(root, interval.first, interval.last, [&](u64 first, u64 last) {
    const u64 pa = interval.pa + (first - interval.first);
    forest_.insert(root, {first, last, pa, interval.prot, tag});
  });
}

/// What stands in `piece` may be cached, though the table does not say so. Two layers are kept;
/// where there are more nothing is said (`prot` unknown_layers).
void Interface::keep_layer(u32 index, const Interval& piece, u32 tag) {
  Space& space = spaces_[index];
  forest_.for_each(space.stale, piece.first, piece.last, [&](const Interval& known) {
    const auto same = [&](const Interval& other) {
      return other.tag == tag && other.prot == piece.prot &&
             other.pa == piece.pa + (other.first - piece.first);
    };
    if (same(known)) return;
    bool third = false;
    forest_.for_each(space.older, known.first, known.last,
                     [&](const Interval& layer) { third |= !same(layer); });
    forest_.erase(space.older, known.first, known.last);
    forest_.insert(space.older, {known.first, known.last, piece.pa + (known.first - piece.first),
                                 piece.prot | (third ? records::unknown_layers : 0), tag});
  });
  make_stale(space.stale, piece, tag);
}

/// A map that failed while the queue was stuck may have been reachable for a moment, and its
/// invalidation is not complete.
void Interface::quarantine_failed_map(const Call& call) {
  const u32 index = target(call);
  if (index == 0) return;
  // What nobody could reach while it was there is in no cache.
  const Space& space = spaces_[index];
  if (space.owner == Owner::domain && space.devices == 0 && space.ghosts == 0) return;
  for_each_request(spaces_[index], call, [&](const Interval& request) {
    for_each_hole(spaces_[index].map, request.first, request.last, [&](u64 first, u64 last) {
      const u64 pa = request.pa + (first - request.first);
      keep_layer(index, {first, last, pa, request.prot, 0}, records::in_quarantine);
    });
  });
}

void Interface::apply_map(const Call& call, Status status, Circumstances around) {
  if (status != Status::ok) {
    if (around.queue_stuck) quarantine_failed_map(call);
    return;
  }
  const u32 index = target(call);
  if (index == 0) return;
  Space& domain = spaces_[index];
  for_each_request(domain, call, [&](const Interval& request) {
    // It says ok: what a time-out had left there is settled. What the caller has not
    // synchronised is not, and is the caller's fault.
    drop_tagged(index, records::in_quarantine, request.first, request.last);
    forest_.insert(domain.map, request);
  });
}

/// INTERFACE "Map", "Gather", "Timeouts and removal".
void Interface::apply_unmap(const Call& call, const Observed& observed) {
  const u32 index = target(call);
  if (index == 0 || observed.value == 0) return;
  Space& domain = spaces_[index];
  const u64 last = call.iova + (observed.value - 1);
  const bool timed_out = observed.status == Status::etimedout;
  const bool fast = as_domain_call(call.kind) == CallKind::unmap_fast;
  // A device that a time-out left on this domain may keep what it has until it is settled. After
  // unmap_fast the caller synchronises first, in any case.
  if (timed_out || domain.ghosts != 0 || fast) {
    const u32 tag = fast && !timed_out ? records::gathered : records::in_quarantine;
    forest_.for_each(domain.map, call.iova, last,
                     [&](const Interval& piece) { keep_layer(index, piece, tag); });
  }
  forest_.erase(domain.map, call.iova, last);
}

void Interface::quarantine_stale(u32 space) {
  forest_.set_tags(spaces_[space].stale, records::in_quarantine);
  forest_.set_tags(spaces_[space].older, records::in_quarantine);
}

/// Only the pieces with that tag.
void Interface::drop_tagged(u32 space, u32 tag, u64 first, u64 last) {
  drop_pieces(spaces_[space].stale, tag, first, last);
  drop_pieces(spaces_[space].older, tag, first, last);
}

void Interface::drop_pieces(u64& root, u32 tag, u64 first, u64 last) {
  for (;;) {
    const Piece piece = forest_.lookup(root, first);
    const u64 end = std::min(piece.last, last);
    if (piece.mapped && piece.tag == tag) forest_.erase(root, first, end);
    if (end == last) return;
    first = end + 1;
  }
}

void Interface::empty_gather(u32 space) {
  drop_tagged(space, records::gathered, 0, whole_space);
  if (spaces_[space].added_first > spaces_[space].added_last) return;
  Space& record = spaces_.edit(trail_, space);
  record.added_first = whole_space;
  record.added_last = 0;
}

/// iotlb_sync completes and empties the gather; a flush covers the whole space, what an earlier
/// time-out left included. A time-out puts the gather in quarantine.
void Interface::apply_sync(const Call& call, Status status) {
  const u32 index = target(call);
  if (index == 0) return;
  if (status == Status::etimedout) {
    quarantine_stale(index);
  } else if (status == Status::ok) {
    empty_gather(index);
    const bool flush = as_domain_call(call.kind) == CallKind::flush_iotlb_all;
    const bool whole = flush && spaces_[index].ghosts == 0;
    if (whole) drop_tagged(index, records::in_quarantine, 0, whole_space);
  }
}

/// A range that joins the gather owes nothing to anybody by itself: nothing there was unmapped
/// through this interface. Its hull is kept for reports.
void Interface::apply_tlb_range_add(const Call& call) {
  const u32 index = target(call);
  if (index == 0 || call.size == 0) return;
  Space& domain = spaces_.edit(trail_, index);
  domain.added_first = std::min(domain.added_first, call.iova);
  domain.added_last = std::max(domain.added_last, call.iova + (call.size - 1));
}

void Interface::device_added(u32 device) {
  if (device < devices_.size()) devices_.edit(trail_, device).present = 1;
}

/// INTERFACE "Timeouts and removal". A device that comes back begins anew.
void Interface::device_removed(u32 device, bool timed_out) {
  if (!device_exists(device)) return;
  trail_.set(changes_, changes_ + 1);
  end_all_of(device, records::Gone::by_another, timed_out);
  const u32 domain = devices_[device].domain;
  if (domain != 0) {
    move_device(device, 0);
    if (timed_out) {
      quarantine_stale(domain);
    } else {
      empty_gather(domain);
    }
  }
  drop_ghosts(device);
  Device& record = devices_.edit(trail_, device);
  record.present = 0;
  record.initialised = 0;
}

/// INTERFACE "Timeouts and removal": held until recovery.
void Interface::recovered() {
  trail_.set(changes_, changes_ + 1);
  for (u32 i = 0; i < devices_.size(); ++i) drop_ghosts(i);
  // What is there, and only its number was not seen, stays.
  drop_unseen([&](const Unseen& record) {
    return record.count != 0 || spaces_[record.space].life == records::zombie;
  });
  ghosts_end();
  for (u32 i = 1; i < spaces_.bound(); ++i) {
    const Space& space = spaces_[i];
    if (space.life == records::zombie) {
      release_space(i);
    } else if (space.owner == Owner::process && space.life != records::unused) {
      forest_.clear(spaces_[i].stale);
      forest_.clear(spaces_[i].older);
    } else if (space.life == records::living) {
      drop_tagged(i, records::in_quarantine, 0, whole_space);
    }
  }
}

}  // namespace iommucheck::spec::sva
